#!/bin/sh
# Breaks the contract and the core in every way that is listed for them, and fails unless the tests
# notice each. Takes long: run it after changing either, or the tests of either.
set -u
failed=0
node scripts/mutants-contract.ts "$@" || failed=1
node scripts/mutants-core.ts "$@" || failed=1
exit $failed
