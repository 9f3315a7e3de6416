#!/bin/sh
# Checks style and formatting of everything, or with --write mends what can be mended. Runs every tool
# even if one complains, so that one run shows all there is to mend.
set -u
if [ "${1:-}" = "--write" ]; then fix=--write; layout=--write; else fix=; layout=--check; fi
failed=0
# shellcheck disable=SC2086
biome check --error-on-warnings $fix . || failed=1
solhint --disc --noPoster --max-warnings 0 'contracts/**/*.sol' || failed=1
prettier --log-level warn $layout 'contracts/**/*.sol' || failed=1
exit $failed
