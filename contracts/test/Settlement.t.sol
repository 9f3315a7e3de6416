// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Settlement} from "../libraries/Settlement.sol";
import {EscrowTest} from "./support/EscrowTest.sol";

/// @title Property 2 of the formula itself, against a second writing in signed integers
contract SettlementTest is EscrowTest {
    function setUp() public override {}

    function testFuzz_SharesFollowTheFormulaAndAddUp(
        uint104 d0,
        uint104 d1,
        uint256 w0,
        uint256 w1,
        uint128 t0,
        uint128 t1,
        uint8 scale
    ) external pure {
        uint256 shift = scale % 104;
        (uint256 a, uint256 b) = (uint256(d0) >> shift, uint256(d1) >> shift);
        w0 = w0 % (a + b + 1);
        w1 = w1 % (a + b - w0 + 1);
        (uint256 p, uint256 q) = (uint256(t0) >> (shift + 24), uint256(t1) >> (shift + 24));
        (uint256 share0, uint256 share1) = Settlement.shares(a, b, w0, w1, p, q);
        int256 total = int256(a + b - w0 - w1);
        int256 net = int256(a) - int256(w0) + int256(q) - int256(p);
        int256 expected =
            net < 0
                ? int256(0)
                : net > total
                    ? total
                    : net;
        _eq(share0, uint256(expected), "share0");
        _eq(share0 + share1, uint256(total), "sum");
    }

    function testFuzz_AnySignedTotalsSaturate(uint104 d0, uint104 d1, uint256 t0, uint256 t1) external pure {
        (uint256 share0, uint256 share1) = Settlement.shares(d0, d1, 0, 0, t0, t1);
        _eq(share0 + share1, uint256(d0) + d1, "sum");
        if (t0 >= t1 && t0 - t1 >= d0) {
            _eq(share0, 0, "0 has paid all it had");
        }
        if (t1 >= t0 && t1 - t0 >= d1) {
            _eq(share1, 0, "1 has paid all it had");
        }
    }

    function testFuzz_NoSideGainsByPayingMoreOrReceivingLess(
        uint104 d0,
        uint104 d1,
        uint128 t0,
        uint128 t1,
        uint128 more
    ) external pure {
        (uint256 before, ) = Settlement.shares(d0, d1, 0, 0, t0, t1);
        (uint256 paying, ) = Settlement.shares(d0, d1, 0, 0, uint256(t0) + more, t1);
        (uint256 receiving, ) = Settlement.shares(d0, d1, 0, 0, t0, uint256(t1) + more);
        _true(paying <= before, "paying more never raises the share");
        _true(receiving >= before, "receiving more never lowers it");
    }
}
