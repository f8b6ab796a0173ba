#!/bin/sh
# Lints the Helm chart and tests what it renders. Builds helm on demand (minutes, once).
set -eu
cd "$(dirname "$0")"
./install.sh helm
for values in ../charts/touchline/ci/*.yaml; do
    bin/helm lint --strict --quiet --kube-version 1.30.0 -f "$values" ../charts/touchline
done
cd chart
GOWORK=off go test -count=1 .
