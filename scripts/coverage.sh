#!/bin/sh
# Line coverage of the TypeScript (coverage/typescript) and of the contracts (coverage/contracts). The
# contracts come last: measuring them replaces the artifacts that other tests deploy, until the next build.
set -u
rm -rf coverage
failed=0
vitest run --project unit --coverage || failed=1
hardhat test solidity --coverage || failed=1
mkdir -p coverage/contracts
for part in html lcov.info; do
  [ -e "coverage/$part" ] && mv "coverage/$part" coverage/contracts/
done
exit $failed
