// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Hostility} from "../support/Hostility.sol";
import {TestToken} from "../TestToken.sol";

/// @title Transfers out of the escrow fail in every way a token can fail, once told to
contract MoodyToken is TestToken {
    Hostility.Mood public mood;

    function setMood(Hostility.Mood mood_) external {
        mood = mood_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        Hostility.act(mood);
        return super.transfer(to, amount);
    }
}
