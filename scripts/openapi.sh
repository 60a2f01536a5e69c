#!/usr/bin/env bash
# Holds the server that the environment names (see with-server.sh) to its OpenAPI document.
# Usage: openapi.sh [EXAMPLES]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need python3 python3
venv=target/python
stamp=$venv/.holdall-requirements
if ! cmp -s tests/openapi/requirements.txt "$stamp" 2>/dev/null; then
    say "installing the Python packages of tests/openapi"
    python3 -m venv "$venv" >/dev/null 2>&1 ||
        { say "Python cannot make a virtual environment. Install the package \`python3-venv\` and run this again."; exit 1; }
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/openapi/requirements.txt ||
        { say "pip could not install what tests/openapi/requirements.txt names: is there a way to PyPI?"; exit 1; }
    cp tests/openapi/requirements.txt "$stamp"
fi
exec "$venv/bin/python" tests/openapi/run.py "$@"
