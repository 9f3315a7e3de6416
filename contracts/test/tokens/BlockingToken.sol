// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TestToken} from "../TestToken.sol";

/// @title Refuses transfers from and to accounts on a block list
contract BlockingToken is TestToken {
    error Blocked(address account);

    mapping(address account => bool) public isBlocked;

    function setBlocked(address account, bool blocked) external {
        isBlocked[account] = blocked;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (isBlocked[from]) {
            revert Blocked(from);
        }
        if (isBlocked[to]) {
            revert Blocked(to);
        }
        super._update(from, to, value);
    }
}
