// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Channel, ChannelStatus, IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";

contract WithdrawTest is EscrowTest {
    function test_PaysUpToTheSignedTotal() external {
        Channel memory channel = _openToken();
        bytes32 id = _id(channel);
        uint256 before = token.balanceOf(accounts[0]);
        (bytes memory s0, bytes memory s1) = _signatures(channel, 0, 300, time);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.Withdrawn(id, accounts[0], 300);
        vm.prank(stranger);
        escrow.withdraw(channel, accounts[0], 300, time, s0, s1);
        _eq(token.balanceOf(accounts[0]), before + 300, "paid");
        _totals(channel, 300, 0);
    }

    function test_PaysOnlyTheDifferenceOfALaterTotal() external {
        Channel memory channel = _openToken();
        uint256 before = token.balanceOf(accounts[1]);
        _withdraw(channel, 1, 100);
        _withdraw(channel, 1, 130);
        _eq(token.balanceOf(accounts[1]), before + 130, "paid");
        _totals(channel, 0, 130);
    }

    function test_DoesNothingForATotalNotAbove() external {
        Channel memory channel = _openToken();
        _withdraw(channel, 0, 300);
        uint256 before = token.balanceOf(accounts[0]);
        escrow.withdraw(channel, accounts[0], 300, 0, "", "");
        escrow.withdraw(channel, accounts[0], 299, 0, "", "");
        escrow.withdraw(channel, accounts[0], 0, 0, "", "");
        _eq(token.balanceOf(accounts[0]), before, "nothing");
        _totals(channel, 300, 0);
    }

    function test_MayExceedTheOwnDepositButNotTheChannel() external {
        Channel memory channel = _openToken();
        _withdraw(channel, 1, 900);
        (bytes memory s0, bytes memory s1) = _signatures(channel, 0, 601, time);
        _expect(IChannelEscrow.ChannelEscrow_WithdrawalTooLarge.selector, 601, 600);
        escrow.withdraw(channel, accounts[0], 601, time, s0, s1);
        _withdraw(channel, 0, 600);
        _totals(channel, 600, 900);
        _eq(token.balanceOf(address(escrow)), 0, "all of it");
    }

    function test_AStrangersDepositRaisesTheLimit() external {
        Channel memory channel = _openToken();
        _withdraw(channel, 1, 1500);
        vm.prank(stranger);
        escrow.deposit(channel, accounts[0], 5);
        _withdraw(channel, 1, 1505);
        _totals(channel, 0, 1505);
    }

    function test_RevertWhen_TheTotalDoesNotFit() external {
        uint256 most = type(uint104).max;
        token.mint(accounts[0], most);
        token.mint(accounts[1], most);
        vm.prank(accounts[0]);
        token.approve(address(escrow), most);
        vm.prank(accounts[1]);
        token.approve(address(escrow), most);
        Channel memory channel = _open(address(token), most, most);
        for (uint256 side = 0; side < 2; ++side) {
            (bytes memory s0, bytes memory s1) = _signatures(channel, side, most + 1, time);
            vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 104, most + 1));
            escrow.withdraw(channel, accounts[side], most + 1, time, s0, s1);
        }
        _withdraw(channel, 0, most);
        _withdraw(channel, 1, most);
    }

    function test_RevertWhen_TheDeadlineHasPassed() external {
        Channel memory channel = _openToken();
        (bytes memory s0, bytes memory s1) = _signatures(channel, 0, 300, time - 1);
        _expect(IChannelEscrow.ChannelEscrow_DeadlinePassed.selector, time - 1, time);
        escrow.withdraw(channel, accounts[0], 300, time - 1, s0, s1);
    }

    function test_RevertWhen_ASignatureIsMissingOrForSomethingElse() external {
        Channel memory channel = _openToken();
        (bytes memory s0, bytes memory s1) = _signatures(channel, 0, 300, time);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[1]);
        escrow.withdraw(channel, accounts[0], 300, time, s0, s0);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.withdraw(channel, accounts[0], 300, time, s1, s1);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.withdraw(channel, accounts[0], 300, time, "", "");
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.withdraw(channel, accounts[1], 300, time, s0, s1);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.withdraw(channel, accounts[0], 301, time, s0, s1);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.withdraw(channel, accounts[0], 300, time + 1, s0, s1);
    }

    function test_RevertWhen_TheReceiverIsNoParticipant() external {
        Channel memory channel = _openToken();
        bytes32 message = Messages.withdrawal(_id(channel), stranger, 300, time);
        bytes memory s0 = _sign(signerKeys[0], message);
        bytes memory s1 = _sign(signerKeys[1], message);
        _expect(IChannelEscrow.ChannelEscrow_NotParticipant.selector, stranger);
        escrow.withdraw(channel, stranger, 300, time, s0, s1);
    }

    function test_RevertWhen_TheChannelIsNotOpen() external {
        _refused(_terms(address(token)), ChannelStatus.None);
        _refused(_closing(address(token)), ChannelStatus.Closing);
        _refused(_settled(address(token)), ChannelStatus.Settled);
    }

    function _refused(Channel memory channel, ChannelStatus status) private {
        (bytes memory s0, bytes memory s1) = _signatures(channel, 0, 300, time);
        _expectWrongStatus(channel, status);
        escrow.withdraw(channel, accounts[0], 300, time, s0, s1);
    }

    function _signatures(
        Channel memory channel,
        uint256 side,
        uint256 total,
        uint256 deadline
    ) private view returns (bytes memory, bytes memory) {
        bytes32 message = Messages.withdrawal(_id(channel), _participant(channel, side), total, deadline);
        return (_sign(signerKeys[0], message), _sign(signerKeys[1], message));
    }

    function _totals(Channel memory channel, uint256 expected0, uint256 expected1) private view {
        (, , , uint256 withdrawn0, uint256 withdrawn1, ) = escrow.channelState(_id(channel));
        _eq(withdrawn0, expected0, "withdrawn0");
        _eq(withdrawn1, expected1, "withdrawn1");
    }
}
