// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Accepts every call it does not know, as wrapped native coins do, and moves nothing
contract PhantomToken {
    fallback() external {}

    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }
}
