#!/bin/sh
# Breaks the contract, the core and what guards spending in every way that is listed for them, and fails unless
# the tests notice each. Takes long: run it after changing one of them, or its tests.
set -u
failed=0
node scripts/mutants-contract.ts "$@" || failed=1
node scripts/mutants-core.ts "$@" || failed=1
node scripts/mutants-spending.ts "$@" || failed=1
exit $failed
