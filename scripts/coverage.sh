#!/bin/sh
# Line coverage of the contracts (coverage/contracts) and of the TypeScript (coverage/typescript).
set -u
failed=0
hardhat test solidity --coverage || failed=1
rm -rf coverage/contracts && mkdir -p coverage/contracts
for part in html lcov.info; do
  [ -e "coverage/$part" ] && mv "coverage/$part" coverage/contracts/
done
vitest run --project unit --coverage || failed=1
exit $failed
