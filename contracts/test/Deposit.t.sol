// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Channel, ChannelStatus, IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {vm} from "./support/Vm.sol";
import {BlockingToken} from "./tokens/BlockingToken.sol";
import {FeeToken} from "./tokens/FeeToken.sol";
import {SilentToken} from "./tokens/SilentToken.sol";

contract DepositTest is EscrowTest {
    function test_RevertWhen_AmountIsZero() external {
        Channel memory channel = _terms(address(token));
        _expect(IChannelEscrow.ChannelEscrow_ZeroDeposit.selector);
        escrow.deposit(channel, accounts[0], 0);
    }

    function test_RevertWhen_NativeValueIsNotTheAmount() external {
        Channel memory channel = _terms(NATIVE);
        vm.deal(address(this), 100);
        _expect(IChannelEscrow.ChannelEscrow_WrongValue.selector, 6, 7);
        escrow.deposit{value: 6}(channel, accounts[0], 7);
        _expect(IChannelEscrow.ChannelEscrow_WrongValue.selector, 8, 7);
        escrow.deposit{value: 8}(channel, accounts[0], 7);
    }

    function test_RevertWhen_NativeCoinComesWithAToken() external {
        Channel memory channel = _terms(address(token));
        vm.deal(address(this), 100);
        _expect(IChannelEscrow.ChannelEscrow_WrongValue.selector, 7, 0);
        escrow.deposit{value: 7}(channel, accounts[0], 7);
    }

    function test_RevertWhen_NativeCoinComesWithoutADeposit() external {
        vm.deal(address(this), 100);
        (bool success, ) = address(escrow).call{value: 1}("");
        _true(!success, "plain transfer refused");
        (success, ) = address(escrow).call{value: 1}(hex"01020304");
        _true(!success, "unknown function refused");
        Channel memory channel = _openToken();
        (success, ) = address(escrow).call{value: 1}(abi.encodeCall(escrow.settle, (channel)));
        _true(!success, "value to another function refused");
    }

    function test_RevertWhen_ParticipantsAreNotTwoAscending() external {
        Channel memory channel = _terms(NATIVE);
        channel.participant0 = address(0);
        _expectInvalidParticipants(channel);
        (channel.participant0, channel.participant1) = (accounts[1], accounts[1]);
        _expectInvalidParticipants(channel);
        (channel.participant0, channel.participant1) = (accounts[1], accounts[0]);
        _expectInvalidParticipants(channel);
    }

    function test_RevertWhen_EffectiveSignersAreTheSame() external {
        Channel memory channel = _terms(NATIVE);
        channel.signer1 = signers[0];
        _expectSameSigner(channel, signers[0]);
        (channel.signer0, channel.signer1) = (accounts[1], address(0));
        _expectSameSigner(channel, accounts[1]);
        (channel.signer0, channel.signer1) = (address(0), accounts[0]);
        _expectSameSigner(channel, accounts[0]);
    }

    function test_RevertWhen_ChallengePeriodIsTooLong() external {
        Channel memory channel = _terms(NATIVE);
        channel.challengePeriod = 30 days + 1;
        _expect(IChannelEscrow.ChannelEscrow_ChallengePeriodTooLong.selector, 30 days + 1, 30 days);
        escrow.deposit{value: 1}(channel, channel.participant0, 1);

        channel.challengePeriod = 30 days;
        escrow.deposit{value: 1}(channel, channel.participant0, 1);
        _isStatus(channel, ChannelStatus.Open);
    }

    function test_RevertWhen_BeneficiaryIsNoParticipant() external {
        Channel memory channel = _terms(NATIVE);
        _expect(IChannelEscrow.ChannelEscrow_NotParticipant.selector, stranger);
        escrow.deposit{value: 1}(channel, stranger, 1);
    }

    function test_OpensAChannelWithTheFirstDeposit() external {
        Channel memory channel = _terms(address(token));
        bytes32 id = _id(channel);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.ChannelOpened(id, accounts[0], accounts[1], channel);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.Deposited(id, accounts[1], 70);
        vm.prank(stranger);
        escrow.deposit(channel, accounts[1], 70);

        _state(id, 0, 70);
        _eq(token.balanceOf(stranger), FUNDS - 70, "pulled from the caller");
        _eq(token.balanceOf(address(escrow)), 70, "held");
        _eq(id, escrow.channelIdOf(channel), "id");
    }

    function test_AnOpenChannelOccupiesOneSlot() external {
        Channel memory channel = _terms(NATIVE);
        vm.record();
        escrow.deposit{value: 5}(channel, accounts[0], 5);
        escrow.deposit{value: 6}(channel, accounts[1], 6);
        (, bytes32[] memory writes) = vm.accesses(address(escrow));
        for (uint256 i = 1; i < writes.length; ++i) {
            _eq(writes[i], writes[0], "one slot");
        }
        _true(writes.length >= 2, "written");
    }

    function test_AddsToAnOpenChannel() external {
        Channel memory channel = _open(NATIVE, 10, 20);
        bytes32 id = _id(channel);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.Deposited(id, accounts[0], 15);
        escrow.deposit{value: 5}(channel, accounts[0], 5);
        escrow.deposit{value: 7}(channel, accounts[1], 7);
        _state(id, 15, 27);
        _eq(address(escrow).balance, 42, "held");
    }

    function test_RevertWhen_TheTotalDoesNotFit() external {
        Channel memory channel = _terms(address(token));
        uint256 most = type(uint104).max;
        token.mint(address(this), most + 1);
        token.approve(address(escrow), type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 104, most + 1));
        escrow.deposit(channel, accounts[0], most + 1);

        escrow.deposit(channel, accounts[0], most);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 104, most + 1));
        escrow.deposit(channel, accounts[0], 1);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        escrow.deposit(channel, accounts[0], type(uint256).max);

        escrow.deposit(channel, accounts[1], 1);
        _state(_id(channel), most, 1);
    }

    function test_RevertWhen_TheChannelIsClosing() external {
        Channel memory channel = _closing(NATIVE);
        _expectWrongStatus(channel, ChannelStatus.Closing);
        escrow.deposit{value: 1}(channel, accounts[0], 1);
    }

    function test_RevertWhen_TheChannelIsSettled() external {
        Channel memory channel = _settled(NATIVE);
        _expectWrongStatus(channel, ChannelStatus.Settled);
        escrow.deposit{value: 1}(channel, accounts[0], 1);
    }

    function test_TakesATokenThatReturnsNothing() external {
        SilentToken silent = new SilentToken();
        silent.mint(address(this), 100);
        silent.approve(address(escrow), 100);
        Channel memory channel = _terms(address(silent));
        escrow.deposit(channel, accounts[0], 100);
        _state(_id(channel), 100, 0);
    }

    function test_RevertWhen_ATokenTakesAFee() external {
        FeeToken fee = new FeeToken();
        fee.mint(address(this), 1000);
        fee.approve(address(escrow), 1000);
        Channel memory channel = _terms(address(fee));
        _expect(IChannelEscrow.ChannelEscrow_DepositNotArrived.selector, 989, 1000);
        escrow.deposit(channel, accounts[0], 1000);
    }

    function test_RevertWhen_ATokenRefuses() external {
        BlockingToken blocking = new BlockingToken();
        blocking.mint(address(this), 1000);
        blocking.approve(address(escrow), 1000);
        blocking.setBlocked(address(this), true);
        Channel memory channel = _terms(address(blocking));
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, address(this)));
        escrow.deposit(channel, accounts[0], 1000);
    }

    function test_RevertWhen_TheTokenHasNoCode() external {
        Channel memory channel = _terms(address(0xDEAD));
        vm.expectRevert();
        escrow.deposit(channel, accounts[0], 1000);
    }

    function test_RevertWhen_OnlyAnotherHasAnAllowance() external {
        Channel memory channel = _terms(address(token));
        vm.expectRevert(
            abi.encodeWithSignature(
                "ERC20InsufficientAllowance(address,uint256,uint256)",
                address(escrow),
                uint256(0),
                uint256(50)
            )
        );
        escrow.deposit(channel, accounts[0], 50);
        _eq(token.balanceOf(accounts[0]), FUNDS, "allowance untouched");
    }

    function testFuzz_CreditsExactlyWhatArrives(uint104 amount0, uint104 amount1, uint8 where) external {
        Channel memory channel = _terms(where % 2 == 0 ? NATIVE : address(token));
        vm.assume(amount0 != 0 && amount1 != 0);
        (uint256 a, uint256 b) = (uint256(amount0) % FUNDS, uint256(amount1) % FUNDS);
        (a, b) = (a + 1 > FUNDS ? a : a + 1, b + 1 > FUNDS ? b : b + 1);
        _deposit(channel, 0, a);
        _deposit(channel, 1, b);
        _state(_id(channel), a, b);
        _eq(_balance(channel.token, address(escrow)), a + b, "held");
    }

    function _state(bytes32 id, uint256 expected0, uint256 expected1) private view {
        (ChannelStatus status, uint256 deposit0, uint256 deposit1, uint256 w0, uint256 w1, uint256 deadline) = escrow
            .channelState(id);
        _eq(uint256(status), uint256(ChannelStatus.Open), "status");
        _eq(deposit0, expected0, "deposit0");
        _eq(deposit1, expected1, "deposit1");
        _eq(w0 + w1 + deadline, 0, "the rest");
    }

    function _expectInvalidParticipants(Channel memory channel) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelEscrow.ChannelEscrow_InvalidParticipants.selector,
                channel.participant0,
                channel.participant1
            )
        );
        escrow.deposit{value: 1}(channel, channel.participant0, 1);
    }

    function _expectSameSigner(Channel memory channel, address signer) private {
        _expect(IChannelEscrow.ChannelEscrow_SameSigner.selector, signer);
        escrow.deposit{value: 1}(channel, channel.participant0, 1);
    }
}
