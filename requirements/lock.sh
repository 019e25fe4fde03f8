#!/bin/sh
# Renew requirements/constraints.txt: resolve pyproject.toml's pins in a new environment and write down every version.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q -e ".[test,training]"
"$folder/venv/bin/pip" freeze --exclude-editable | grep -iv '^\(torch\|nvidia-c\)' >"$folder/constraints.txt"
{
    echo "# Every version that Tilth installs, made by requirements/lock.sh; do not edit by hand."
    cat "$folder/constraints.txt"
} >requirements/constraints.txt
