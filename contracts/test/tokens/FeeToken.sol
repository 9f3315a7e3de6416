// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TestToken} from "../TestToken.sol";

/// @title Takes one percent, and at least one unit, of every transfer
contract FeeToken is TestToken {
    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0) || to == address(0)) {
            super._update(from, to, value);
            return;
        }
        uint256 fee = value / 100 + 1;
        super._update(from, address(0xFEE), fee > value ? value : fee);
        super._update(from, to, fee > value ? 0 : value - fee);
    }
}
