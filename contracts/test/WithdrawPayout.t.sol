// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Channel, IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {HungryReceiver} from "./support/Accounts.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Hostility} from "./support/Hostility.sol";
import {vm} from "./support/Vm.sol";
import {BlockingToken} from "./tokens/BlockingToken.sol";
import {MoodyToken} from "./tokens/MoodyToken.sol";

contract WithdrawPayoutTest is EscrowTest {
    BlockingToken private blocking;

    function setUp() public override {
        super.setUp();
        blocking = new BlockingToken();
        for (uint256 i = 0; i < 2; ++i) {
            blocking.mint(accounts[i], FUNDS);
            vm.prank(accounts[i]);
            blocking.approve(address(escrow), FUNDS);
        }
        Channel memory channel = _open(address(blocking), 1000, 500);
        blocking.setBlocked(accounts[0], true);
        _closeCooperatively(channel, 0, 0);
    }

    function test_ABlockedAccountNamesAnotherReceiver() external {
        _eq(escrow.payoutOf(address(blocking), accounts[0]), 1000, "credited");
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.PayoutWithdrawn(address(blocking), accounts[0], stranger, 1000);
        vm.prank(accounts[0]);
        escrow.withdrawPayout(address(blocking), accounts[0], stranger);
        _eq(blocking.balanceOf(stranger), 1000, "delivered");
        _eq(escrow.payoutOf(address(blocking), accounts[0]), 0, "gone");
    }

    function test_AnyoneDeliversToTheAccountItself() external {
        blocking.setBlocked(accounts[0], false);
        uint256 before = blocking.balanceOf(accounts[0]);
        vm.prank(stranger);
        escrow.withdrawPayout(address(blocking), accounts[0], accounts[0]);
        _eq(blocking.balanceOf(accounts[0]), before + 1000, "delivered");
    }

    function test_RevertWhen_AnotherNamesTheReceiver() external {
        vm.expectRevert(
            abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_NotAccount.selector, stranger, accounts[0])
        );
        vm.prank(stranger);
        escrow.withdrawPayout(address(blocking), accounts[0], stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_NotAccount.selector, signers[0], accounts[0])
        );
        vm.prank(signers[0]);
        escrow.withdrawPayout(address(blocking), accounts[0], signers[0]);
    }

    function test_RevertWhen_TheReceiverIsZero() external {
        _expect(IChannelEscrow.ChannelEscrow_ZeroReceiver.selector);
        vm.prank(accounts[0]);
        escrow.withdrawPayout(address(blocking), accounts[0], address(0));
    }

    function test_RevertWhen_NothingIsWaiting() external {
        _expectNoPayout(address(blocking), accounts[1]);
        escrow.withdrawPayout(address(blocking), accounts[1], accounts[1]);
        _expectNoPayout(NATIVE, accounts[0]);
        escrow.withdrawPayout(NATIVE, accounts[0], accounts[0]);
        vm.prank(accounts[0]);
        escrow.withdrawPayout(address(blocking), accounts[0], stranger);
        _expectNoPayout(address(blocking), accounts[0]);
        vm.prank(accounts[0]);
        escrow.withdrawPayout(address(blocking), accounts[0], stranger);
    }

    function test_RevertWhen_ItFailsAgain() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelEscrow.ChannelEscrow_PayoutFailed.selector,
                address(blocking),
                accounts[0],
                1000
            )
        );
        escrow.withdrawPayout(address(blocking), accounts[0], accounts[0]);
        _eq(escrow.payoutOf(address(blocking), accounts[0]), 1000, "still waiting");
    }

    function test_GivesAllTheGasThereIs() external {
        address hungry = address(new HungryReceiver(escrow.NATIVE_PAYOUT_GAS() + 10_000));
        Channel memory channel = _channelWith(hungry);
        escrow.closeCooperatively(channel, 0, 0, time, _coop(channel, 0), _coop(channel, 1));
        _eq(escrow.payoutOf(NATIVE, hungry), 1000, "credited");
        escrow.withdrawPayout(NATIVE, hungry, hungry);
        _eq(hungry.balance, 1000, "delivered");
    }

    function test_PayoutsOfSeveralChannelsAddUp() external {
        blocking.setBlocked(accounts[0], false);
        Channel memory channel = _open(address(blocking), 70, 0);
        blocking.setBlocked(accounts[0], true);
        bytes32 id = _id(channel);
        bytes memory s0 = _coop(channel, 0);
        bytes memory s1 = _coop(channel, 1);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.Settled(id, 70, 0, true);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.PayoutCredited(id, address(blocking), accounts[0], 70);
        escrow.closeCooperatively(channel, 0, 0, time, s0, s1);
        _eq(escrow.payoutOf(address(blocking), accounts[0]), 1070, "sum");
    }

    function test_ATokenMayFailInAnyWayAndRecover() external {
        for (uint256 mood = 1; mood <= uint256(type(Hostility.Mood).max); ++mood) {
            MoodyToken moody = new MoodyToken();
            moody.mint(accounts[0], 10);
            vm.prank(accounts[0]);
            moody.approve(address(escrow), 10);
            Channel memory channel = _open(address(moody), 10, 0);
            moody.setMood(Hostility.Mood(mood));
            _closeCooperatively(channel, 0, 0);
            // A blob that begins with true is a success; the token alone is to blame if it moved nothing.
            bool lied = Hostility.Mood(mood) == Hostility.Mood.ReturnsBlob;
            _eq(escrow.payoutOf(address(moody), accounts[0]), lied ? 0 : 10, "credited");
            if (!lied) {
                moody.setMood(Hostility.Mood.Kind);
                escrow.withdrawPayout(address(moody), accounts[0], accounts[0]);
                _eq(moody.balanceOf(accounts[0]), 10, "delivered");
            }
        }
    }

    /// @dev A short answer leaves the end of the caller's scratch memory as it was, where a channel id may have stood. A thief
    /// who picks an id that ends in one would have its zeros completed to a `true`.
    function test_AShortAnswerIsNotCompletedFromMemory() external {
        MoodyToken moody = new MoodyToken();
        moody.mint(accounts[0], 1000);
        vm.prank(accounts[0]);
        moody.approve(address(escrow), 1000);
        Channel memory channel = _terms(address(moody));
        while (uint256(_id(channel)) % 256 != 1) {
            ++channel.salt;
        }
        _deposit(channel, 0, 1000);
        moody.setMood(Hostility.Mood.ReturnsShort);
        _closeCooperatively(channel, 0, 0);
        _eq(escrow.payoutOf(address(moody), accounts[0]), 1000, "credited");
    }

    function test_ATokenWhoseCodeIsGoneIsNotPaid() external {
        Channel memory channel = _open(address(token), 10, 0);
        vm.etch(address(token), "");
        _closeCooperatively(channel, 0, 0);
        _eq(escrow.payoutOf(address(token), accounts[0]), 10, "credited");
    }

    function _channelWith(address participant) private returns (Channel memory channel) {
        channel = _terms(NATIVE);
        (channel.participant0, channel.participant1) =
            participant < accounts[1] ? (participant, accounts[1]) : (accounts[1], participant);
        vm.deal(address(this), 1000);
        escrow.deposit{value: 1000}(channel, participant, 1000);
    }

    function _coop(Channel memory channel, uint256 side) private view returns (bytes memory) {
        bytes32 typehash = keccak256(
            "CooperativeClose(bytes32 channelId,uint256 transferred0,uint256 transferred1,uint256 deadline)"
        );
        return _sign(signerKeys[side], keccak256(abi.encode(typehash, _id(channel), 0, 0, time)));
    }

    function _expectNoPayout(address tokenAddress, address account) private {
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_NoPayout.selector, tokenAddress, account));
    }
}
