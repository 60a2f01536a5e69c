#!/usr/bin/env bash
# Builds the console page into web/dist, only when its sources changed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_modules web
stamp=web/dist/.built
if [ -f "$stamp" ] && [ -z "$(find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -newer "$stamp" -print -quit)" ]; then
    exit 0
fi
say "building the page"
(cd web && npm run --silent build)
touch "$stamp"
