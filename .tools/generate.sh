#!/bin/sh
# Makes every generated file anew and notes what it was made from: the pixel's dist,
# sqlc's queries, oapi-codegen's server. Then verify.sh can tell in a second, and
# without building the generators, whether the committed output is current.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

.tools/install.sh sqlc oapi-codegen
PATH=$root/.tools/bin:$PATH
export PATH

echo "generate: pixel/dist"
(cd pixel && go generate)

for config in $(.tools/generated.sh configs); do
    echo "generate: $config"
    folder=$(dirname "$config")
    case $config in
    *sqlc.yaml) (cd "$folder" && sqlc generate) ;;
    # The document is the one OpenAPI file beside the settings.
    *) (cd "$folder" && oapi-codegen -config "$(basename "$config")" openapi.yaml) ;;
    esac
done

.tools/generated.sh sums >.tools/generated.sum
echo "generate: wrote .tools/generated.sum"
