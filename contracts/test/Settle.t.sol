// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Channel, ChannelStatus, IChannelEscrow, Lock} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {vm} from "./support/Vm.sol";

contract SettleTest is EscrowTest {
    function test_PaysByWhatWasRecordedAndClaimed() external {
        Channel memory channel = _openToken();
        _withdraw(channel, 1, 50);
        _startClose(channel, 0);
        Lock[] memory locks = _locks(2, time + PERIOD);
        _record(channel, 0, _proof(4, 300, locks), locks);
        _record(channel, 1, _proof(2, 120));
        _claim(channel, 0, locks, 1);
        _warp(_deadline(channel));
        bytes32 id = _id(channel);
        (uint256 b0, uint256 b1) = (token.balanceOf(accounts[0]), token.balanceOf(accounts[1]));
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.Settled(id, 800, 650, false);
        vm.prank(stranger);
        escrow.settle(channel);
        _eq(token.balanceOf(accounts[0]), b0 + 800, "paid 0");
        _eq(token.balanceOf(accounts[1]), b1 + 650, "paid 1");
        _eq(token.balanceOf(address(escrow)), 0, "nothing left");
        (uint64 nonce, uint256 transferred, uint256 claimed, ) = escrow.recordedProof(id, accounts[0]);
        _eq(nonce + transferred + claimed, 324, "the record stays readable");
    }

    function test_RefundsBothWhenNothingWasRecorded() external {
        Channel memory channel = _closing(NATIVE);
        _warp(_deadline(channel));
        (uint256 b0, uint256 b1) = (accounts[0].balance, accounts[1].balance);
        escrow.settle(channel);
        _eq(accounts[0].balance, b0 + 1000, "paid 0");
        _eq(accounts[1].balance, b1 + 500, "paid 1");
    }

    function test_AStaleProofOnlyHurtsTheSideThatShouldHaveSubmittedABetterOne() external {
        Channel memory channel = _closing(NATIVE);
        _record(channel, 0, _proof(4, 2_000_000));
        _warp(_deadline(channel));
        (uint256 b0, uint256 b1) = (accounts[0].balance, accounts[1].balance);
        escrow.settle(channel);
        _eq(accounts[0].balance, b0, "0 overspent");
        _eq(accounts[1].balance, b1 + 1500, "1 gets what there is, not more");
    }

    function test_RevertWhen_OneSecondBeforeTheDeadline() external {
        Channel memory channel = _closing(NATIVE);
        uint256 deadline = _deadline(channel);
        _warp(deadline - 1);
        _expect(IChannelEscrow.ChannelEscrow_ChallengePeriodRunning.selector, deadline, deadline - 1);
        escrow.settle(channel);
        _warp(deadline);
        escrow.settle(channel);
    }

    function test_RevertWhen_ALockIsStillPending() external {
        Channel memory channel = _closing(NATIVE);
        Lock[] memory locks = _locks(1, time + 5 * PERIOD);
        _record(channel, 1, _proof(1, 0, locks), locks);
        _warp(time + 5 * PERIOD - 1);
        _expect(IChannelEscrow.ChannelEscrow_ChallengePeriodRunning.selector, time + 1, time);
        escrow.settle(channel);
        _claim(channel, 1, locks, 0);
        uint256 b0 = accounts[0].balance;
        _warp(time + 1);
        escrow.settle(channel);
        _eq(accounts[0].balance, b0 + 1010, "claimed in the last second");
    }

    function test_RevertWhen_TheChannelIsNotClosing() external {
        Channel memory channel = _terms(NATIVE);
        _expectWrongStatus(channel, ChannelStatus.None);
        escrow.settle(channel);
        channel = _open(NATIVE, 10, 10);
        _expectWrongStatus(channel, ChannelStatus.Open);
        escrow.settle(channel);
        channel = _settled(NATIVE);
        _expectWrongStatus(channel, ChannelStatus.Settled);
        escrow.settle(channel);
    }

    function test_ALateWithdrawalBeyondTheOwnDepositIsTakenFromTheOwnShare() external {
        Channel memory channel = _openToken();
        _withdraw(channel, 1, 1400);
        _startClose(channel, 1);
        _record(channel, 0, _proof(1, 950));
        _warp(_deadline(channel));
        (uint256 b0, uint256 b1) = (token.balanceOf(accounts[0]), token.balanceOf(accounts[1]));
        escrow.settle(channel);
        _eq(token.balanceOf(accounts[0]), b0 + 50, "paid 0");
        _eq(token.balanceOf(accounts[1]), b1 + 50, "paid 1");
    }
}
