// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Channel, ChannelStatus, IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {HungryReceiver, Receiver} from "./support/Accounts.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Hostility} from "./support/Hostility.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";
import {MoodyToken} from "./tokens/MoodyToken.sol";

/// @title Property 6: no receiver can block or cost the other side; and no caller can starve a receiver
contract PayoutTest is EscrowTest {
    /// @dev What crediting a payout takes: a new slot, an event and the way there.
    uint256 private constant CREDIT_GAS = 30_000;

    function testFuzz_AHostileReceiverNeitherBlocksNorCostsTheOtherSide(uint8 mood, bool isFirst, uint8 how) external {
        Receiver receiver = new Receiver();
        Channel memory channel = _channelWith(NATIVE, address(receiver), isFirst);
        uint256 honestGas = _end(_channelWith(NATIVE, address(new Receiver()), isFirst), how);
        receiver.setMood(Hostility.Mood(1 + (mood % 4)));
        uint256 side = channel.participant0 == address(receiver) ? 0 : 1;
        address honest = _participant(channel, 1 - side);
        uint256 before = honest.balance;
        uint256 used = _end(channel, how);
        bool accepted = receiver.mood() == Hostility.Mood.ReturnsBlob;
        _eq(honest.balance, before + 500, "the other side is paid");
        _eq(escrow.payoutOf(NATIVE, address(receiver)), accepted ? 0 : 1000, "the hostile one waits");
        _eq(address(receiver).balance, accepted ? 1000 : 0, "or has it");
        _true(used < honestGas + escrow.NATIVE_PAYOUT_GAS() + CREDIT_GAS, "gas bounded");
        _isStatus(channel, ChannelStatus.Settled);
    }

    function testFuzz_AFailingTokenBlocksNothingAndCostsABoundedAmount(uint8 mood, uint8 how) external {
        MoodyToken moody = new MoodyToken();
        for (uint256 side = 0; side < 2; ++side) {
            moody.mint(accounts[side], 3000);
            vm.prank(accounts[side]);
            moody.approve(address(escrow), 2000);
        }
        uint256 honestGas = _end(_open(address(moody), 1000, 500), how);
        Channel memory channel = _open(address(moody), 1000, 500);
        moody.setMood(Hostility.Mood(1 + (mood % 7)));
        uint256 used = _end(channel, how);
        _true(used < honestGas + 2 * (escrow.TOKEN_PAYOUT_GAS() + CREDIT_GAS), "gas bounded");
        _isStatus(channel, ChannelStatus.Settled);
        uint256 waiting = escrow.payoutOf(address(moody), accounts[0]) + escrow.payoutOf(address(moody), accounts[1]);
        _true(waiting == 1500 || moody.mood() == Hostility.Mood.ReturnsBlob, "credited");
    }

    function test_AWithdrawalToAHostileReceiverIsCredited() external {
        Receiver receiver = new Receiver();
        Channel memory channel = _channelWith(NATIVE, address(receiver), true);
        receiver.setMood(Hostility.Mood.Reverts);
        uint256 side = channel.participant0 == address(receiver) ? 0 : 1;
        _withdraw(channel, side, 300);
        _eq(escrow.payoutOf(NATIVE, address(receiver)), 300, "credited");
        _isStatus(channel, ChannelStatus.Open);
    }

    /// @dev For every gas limit a caller can choose, the receiver gets all it is entitled to or nothing happens.
    function test_NoGasLimitTurnsADeliverablePayoutIntoAFailedOne() external {
        HungryReceiver hungry = new HungryReceiver(escrow.NATIVE_PAYOUT_GAS() - 2_000);
        Channel memory channel = _channelWith(NATIVE, address(hungry), true);
        _startClose(channel, _participant(channel, 0) == address(hungry) ? 1 : 0);
        _warp(_deadline(channel));
        uint256 refusals = 0;
        for (uint256 limit = 30_000; limit < 400_000; limit += 500) {
            (bool success, bytes memory reason) = address(escrow).call{gas: limit}(
                abi.encodeCall(escrow.settle, (channel))
            );
            if (success) {
                _eq(address(hungry).balance, 1000, "delivered");
                _eq(escrow.payoutOf(NATIVE, address(hungry)), 0, "not credited");
                _true(refusals > 10, "the limit was met on the way");
                return;
            }
            bool refused = bytes4(reason) == IChannelEscrow.ChannelEscrow_InsufficientGas.selector;
            refusals += refused ? 1 : 0;
        }
        revert NotTrue("some limit suffices");
    }

    function test_NoGasLimitTurnsADeliverableTokenPayoutIntoAFailedOne() external {
        Channel memory channel = _open(address(token), 1000, 500);
        _startClose(channel, 0);
        _warp(_deadline(channel));
        uint256 refusals = 0;
        for (uint256 limit = 30_000; limit < 800_000; limit += 1_000) {
            (bool success, bytes memory reason) = address(escrow).call{gas: limit}(
                abi.encodeCall(escrow.settle, (channel))
            );
            if (success) {
                uint256 waiting =
                    escrow.payoutOf(address(token), accounts[0]) + escrow.payoutOf(address(token), accounts[1]);
                _eq(waiting, 0, "not credited");
                _true(refusals > 100, "the limit was met on the way");
                _true(limit > escrow.TOKEN_PAYOUT_GAS(), "the whole allowance was there");
                return;
            }
            bool refused = bytes4(reason) == IChannelEscrow.ChannelEscrow_InsufficientGas.selector;
            refusals += refused ? 1 : 0;
        }
        revert NotTrue("some limit suffices");
    }

    function test_AReceiverThatWantsMoreThanItsAllowanceWaits() external {
        HungryReceiver hungry = new HungryReceiver(escrow.NATIVE_PAYOUT_GAS() + 5_000);
        Channel memory channel = _channelWith(NATIVE, address(hungry), true);
        _closeBoth(channel);
        _eq(escrow.payoutOf(NATIVE, address(hungry)), 1000, "credited");
        escrow.withdrawPayout(NATIVE, address(hungry), address(hungry));
        _eq(address(hungry).balance, 1000, "delivered with all gas");
    }

    function test_AnEip7702AccountIsPaidAsAnyOther() external {
        vm.etch(accounts[0], abi.encodePacked(hex"ef0100", address(new Receiver())));
        Channel memory channel = _open(NATIVE, 1000, 500);
        uint256 before = accounts[0].balance;
        _closeBoth(channel);
        _eq(accounts[0].balance, before + 1000, "paid");
        channel = _open(NATIVE, 1000, 500);
        Receiver(payable(accounts[0])).setMood(Hostility.Mood.BurnsGas);
        _closeBoth(channel);
        _eq(escrow.payoutOf(NATIVE, accounts[0]), 1000, "waits");
    }

    function _closeBoth(Channel memory channel) private {
        bytes32 message = Messages.cooperativeClose(_id(channel), 0, 0, time);
        escrow.closeCooperatively(channel, 0, 0, time, _sign(signerKeys[0], message), _sign(signerKeys[1], message));
    }

    /// @dev Ends a channel of 1000 and 500 with nothing transferred; returns the gas it took.
    function _end(Channel memory channel, uint8 how) private returns (uint256 used) {
        bytes32 message = Messages.cooperativeClose(_id(channel), 0, 0, time);
        bytes memory s0 = _sign(signerKeys[0], message);
        bytes memory s1 = _sign(signerKeys[1], message);
        if (how % 2 == 0) {
            used = gasleft();
            escrow.closeCooperatively(channel, 0, 0, time, s0, s1);
            return used - gasleft();
        }
        _startClose(channel, how % 4 == 1 ? 0 : 1);
        _warp(_deadline(channel));
        used = gasleft();
        escrow.settle(channel);
        return used - gasleft();
    }

    /// @dev The participant has 1000 in it, and a plain account on the chosen side 500.
    function _channelWith(
        address tokenAddress,
        address participant,
        bool isFirst
    ) private returns (Channel memory channel) {
        channel = _terms(tokenAddress);
        address other = isFirst ? address(uint160(participant) + 1) : address(uint160(participant) - 1);
        (channel.participant0, channel.participant1) = isFirst ? (participant, other) : (other, participant);
        vm.deal(address(this), 1500);
        escrow.deposit{value: 1000}(channel, participant, 1000);
        escrow.deposit{value: 500}(channel, other, 500);
    }
}
