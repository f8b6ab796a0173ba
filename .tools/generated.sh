#!/bin/sh
# What is generated from what. `configs` lists the generators' settings; `sums` prints
# a checksum of every input and every output, the generators' pinned versions included.
set -eu
cd "$(dirname "$0")/.."
LC_ALL=C
export LC_ALL

configs() {
    find sql services -name node_modules -prune -o \( -name sqlc.yaml -o -name oapi-codegen.yaml \) -print | sort
}

# The files that config $1 reads and writes.
files() {
    folder=$(dirname "$1")
    echo "$1"
    case $1 in
    *sqlc.yaml)
        echo .tools/sqlc/go.mod
        find sql/migrations "$folder/queries" "$folder/dbsqlc" -type f
        ;;
    *)
        echo .tools/oapi-codegen/go.mod
        echo "$folder/openapi.yaml"
        find "$folder/gen" -type f -name '*.go'
        ;;
    esac
}

case ${1:-} in
configs) configs ;;
sums)
    for config in $(configs); do
        files "$config"
    done | sort -u | xargs sha256sum
    ;;
*)
    echo "usage: generated.sh configs|sums" >&2
    exit 2
    ;;
esac
