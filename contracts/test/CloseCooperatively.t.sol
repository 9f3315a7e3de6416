// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Channel, ChannelStatus, IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";

contract CloseCooperativelyTest is EscrowTest {
    function test_PaysBothSidesAtOnce() external {
        Channel memory channel = _openToken();
        (uint256 b0, uint256 b1) = (token.balanceOf(accounts[0]), token.balanceOf(accounts[1]));
        (bytes memory s0, bytes memory s1) = _signatures(channel, 700, 100, time);
        bytes32 id = _id(channel);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.Settled(id, 400, 1100, true);
        vm.prank(stranger);
        escrow.closeCooperatively(channel, 700, 100, time, s0, s1);
        _eq(token.balanceOf(accounts[0]), b0 + 400, "paid 0");
        _eq(token.balanceOf(accounts[1]), b1 + 1100, "paid 1");
        _settledState(channel);
    }

    function test_CountsWithdrawalsAndAStrangersDepositAtInclusion() external {
        Channel memory channel = _openToken();
        _withdraw(channel, 1, 600);
        (bytes memory s0, bytes memory s1) = _signatures(channel, 700, 100, time);
        uint256 b0 = token.balanceOf(accounts[0]);
        uint256 b1 = token.balanceOf(accounts[1]);
        vm.prank(stranger);
        escrow.deposit(channel, accounts[0], 1);
        escrow.closeCooperatively(channel, 700, 100, time, s0, s1);
        _eq(token.balanceOf(accounts[0]), b0 + 401, "paid 0");
        _eq(token.balanceOf(accounts[1]), b1 + 500, "paid 1");
    }

    function test_OverridesAUnilateralCloseWhatEverItRecorded() external {
        Channel memory channel = _closing(address(token));
        _record(channel, 0, _proof(9, 1000));
        uint256 b0 = token.balanceOf(accounts[0]);
        _closeCooperatively(channel, 700, 100);
        _eq(token.balanceOf(accounts[0]), b0 + 400, "paid 0");
        _settledState(channel);
    }

    function test_ClosesAfterTheChallengePeriodToo() external {
        Channel memory channel = _closing(address(token));
        _warp(time + 2 * PERIOD);
        _closeCooperatively(channel, 0, 0);
        _settledState(channel);
    }

    function test_SaturatesWhateverIsSigned() external {
        Channel memory channel = _openToken();
        uint256 b1 = token.balanceOf(accounts[1]);
        _closeCooperatively(channel, type(uint256).max, 0);
        _eq(token.balanceOf(accounts[1]), b1 + 1500, "all to 1");

        channel = _openToken();
        uint256 b0 = token.balanceOf(accounts[0]);
        _closeCooperatively(channel, 0, type(uint256).max);
        _eq(token.balanceOf(accounts[0]), b0 + 1500, "all to 0");

        channel = _openToken();
        b0 = token.balanceOf(accounts[0]);
        _closeCooperatively(channel, type(uint256).max, type(uint256).max - 10);
        _eq(token.balanceOf(accounts[0]), b0 + 990, "only the difference counts");
    }

    function test_RevertWhen_TheDeadlineHasPassed() external {
        Channel memory channel = _openToken();
        (bytes memory s0, bytes memory s1) = _signatures(channel, 1, 2, time);
        _warp(time + 1);
        _expect(IChannelEscrow.ChannelEscrow_DeadlinePassed.selector, time - 1, time);
        escrow.closeCooperatively(channel, 1, 2, time - 1, s0, s1);
    }

    function test_RevertWhen_ASignatureIsMissingOrForSomethingElse() external {
        Channel memory channel = _openToken();
        (bytes memory s0, bytes memory s1) = _signatures(channel, 1, 2, time);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[1]);
        escrow.closeCooperatively(channel, 1, 2, time, s0, s0);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.closeCooperatively(channel, 1, 2, time, s1, s1);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.closeCooperatively(channel, 2, 1, time, s0, s1);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.closeCooperatively(channel, 1, 2, time + 1, s0, s1);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.closeCooperatively(channel, 1, 2, time, "", "");
    }

    function test_RevertWhen_TheChannelIsNewOrSettled() external {
        _refused(_terms(address(token)), ChannelStatus.None);
        _refused(_settled(address(token)), ChannelStatus.Settled);
    }

    function _refused(Channel memory channel, ChannelStatus status) private {
        (bytes memory s0, bytes memory s1) = _signatures(channel, 1, 2, time);
        _expectWrongStatus(channel, status);
        escrow.closeCooperatively(channel, 1, 2, time, s0, s1);
    }

    function _settledState(Channel memory channel) private view {
        (ChannelStatus status, uint256 d0, uint256 d1, uint256 w0, uint256 w1, uint256 deadline) = escrow.channelState(
            _id(channel)
        );
        _eq(uint256(status), uint256(ChannelStatus.Settled), "status");
        _eq(d0 + d1 + w0 + w1 + deadline, 0, "nothing else is left");
    }

    function _signatures(
        Channel memory channel,
        uint256 transferred0,
        uint256 transferred1,
        uint256 deadline
    ) private view returns (bytes memory, bytes memory) {
        bytes32 message = Messages.cooperativeClose(_id(channel), transferred0, transferred1, deadline);
        return (_sign(signerKeys[0], message), _sign(signerKeys[1], message));
    }
}
