// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Channel, ChannelStatus} from "../interfaces/IChannelEscrow.sol";
import {Receiver} from "./support/Accounts.sol";
import {EscrowTest, IMulticall} from "./support/EscrowTest.sol";
import {vm} from "./support/Vm.sol";
import {ReenteringToken} from "./tokens/ReenteringToken.sol";

/// @title Property 8: no function can be re-entered
contract ReentrancyTest is EscrowTest {
    uint256 private constant CALLS = 11;

    ReenteringToken private reentering;

    function setUp() public override {
        super.setUp();
        reentering = new ReenteringToken();
        for (uint256 side = 0; side < 2; ++side) {
            reentering.mint(accounts[side], FUNDS);
            vm.prank(accounts[side]);
            reentering.approve(address(escrow), FUNDS);
        }
    }

    /// @dev One call of every function, as a thief inside a transfer would make it.
    function _callOf(Channel memory channel, uint256 which) private view returns (bytes memory) {
        address p0 = channel.participant0;
        if (which == 0) {
            return abi.encodeCall(escrow.deposit, (channel, p0, 1));
        }
        if (which == 1) {
            return abi.encodeCall(escrow.depositWithPermit, (channel, p0, 1, time, 27, 0, 0));
        }
        if (which == 2) {
            return abi.encodeCall(escrow.depositWithAuthorization, (channel, p0, 1, p0, 0, 0, time, ""));
        }
        if (which == 3) {
            return abi.encodeCall(escrow.withdraw, (channel, p0, 1, time, "", ""));
        }
        if (which == 4) {
            return abi.encodeCall(escrow.closeCooperatively, (channel, 0, 0, time, "", ""));
        }
        if (which == 5) {
            return abi.encodeCall(escrow.startClose, (channel, p0, 0, "", _none(), "", "", _noLocks()));
        }
        if (which == 6) {
            return abi.encodeCall(escrow.challenge, (channel, p0, _none(), "", "", _noLocks()));
        }
        if (which == 7) {
            return abi.encodeCall(escrow.claim, (channel, p0, _noLocks(), new uint256[](0), new bytes32[](0)));
        }
        if (which == 8) {
            return abi.encodeCall(escrow.settle, (channel));
        }
        if (which == 9) {
            return abi.encodeCall(escrow.withdrawPayout, (channel.token, p0, p0));
        }
        bytes[] memory inner = new bytes[](1);
        inner[0] = abi.encodeCall(escrow.settle, (channel));
        return abi.encodeCall(IMulticall.multicall, (inner));
    }

    function testFuzz_ATokenCannotReenterWhileItIsDeposited(uint8 which, bool byPermit) external {
        Channel memory channel = _open(address(reentering), 1000, 500);
        reentering.setCall(address(escrow), _callOf(channel, which % CALLS));
        if (byPermit) {
            vm.prank(accounts[0]);
            escrow.depositWithPermit(channel, accounts[0], 7, time, 27, 0, 0);
        } else {
            _deposit(channel, 0, 7);
        }
        (, uint256 deposit0, , , , ) = escrow.channelState(_id(channel));
        _eq(deposit0, 1007, "credited once");
        _allRefused();
    }

    function testFuzz_ATokenCannotReenterWhileItIsPaidOut(uint8 which, uint8 how) external {
        Channel memory channel = _open(address(reentering), 1000, 500);
        if (how % 3 == 2) {
            _startClose(channel, 0);
            _warp(_deadline(channel));
        }
        reentering.setCall(address(escrow), _callOf(channel, which % CALLS));
        (uint256 b0, uint256 b1) = (reentering.balanceOf(accounts[0]), reentering.balanceOf(accounts[1]));
        if (how % 3 == 0) {
            _withdraw(channel, 0, 1500);
            _eq(reentering.balanceOf(accounts[0]), b0 + 1500, "paid once");
        } else {
            if (how % 3 == 1) {
                _closeCooperatively(channel, 0, 0);
            } else {
                escrow.settle(channel);
            }
            _eq(reentering.balanceOf(accounts[0]), b0 + 1000, "paid 0 once");
            _eq(reentering.balanceOf(accounts[1]), b1 + 500, "paid 1 once");
        }
        _allRefused();
    }

    function testFuzz_AReceiverCannotReenter(uint8 which, uint8 how) external {
        Receiver receiver = new Receiver();
        address other = address(uint160(address(receiver)) + 1);
        Channel memory channel = _terms(NATIVE);
        (channel.participant0, channel.participant1) = (address(receiver), other);
        vm.deal(address(this), 3000);
        escrow.deposit{value: 1000}(channel, address(receiver), 1000);
        Channel memory bystander = _open(NATIVE, 5000, 5000);
        _true(_status(bystander) == ChannelStatus.Open, "money of others is there");
        receiver.setCall(address(escrow), _callOf(channel, which % CALLS));
        if (how % 2 == 0) {
            _withdraw(channel, 0, 600);
            _eq(address(receiver).balance, 600, "paid once");
        } else {
            _closeCooperatively(channel, 0, 0);
            _eq(address(receiver).balance, 1000, "paid once");
        }
        _eq(receiver.attempts(), 1, "attempts");
        _eq(receiver.successes(), 0, "none succeeded");
        _eq(
            receiver.lastReason(),
            bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
            "refused by the guard"
        );
    }

    function test_ACreditedPayoutCannotBeTakenTwiceFromWithin() external {
        Receiver receiver = new Receiver();
        Channel memory channel = _terms(NATIVE);
        (channel.participant0, channel.participant1) = (address(receiver), address(uint160(address(receiver)) + 1));
        vm.deal(address(this), 1000);
        escrow.deposit{value: 1000}(channel, address(receiver), 1000);
        _open(NATIVE, 5000, 5000);
        receiver.setCall(address(0xC0FFEE), new bytes(20_000));
        _closeCooperatively(channel, 0, 0);
        _eq(escrow.payoutOf(NATIVE, address(receiver)), 1000, "credited");
        receiver.setCall(
            address(escrow),
            abi.encodeCall(escrow.withdrawPayout, (NATIVE, address(receiver), address(receiver)))
        );
        escrow.withdrawPayout(NATIVE, address(receiver), address(receiver));
        _eq(address(receiver).balance, 1000, "once");
        _eq(receiver.successes(), 0, "not from within");
    }

    function _allRefused() private view {
        _true(reentering.attempts() >= 1, "it tried");
        _eq(reentering.successes(), 0, "none succeeded");
        _eq(
            bytes32(reentering.lastResult()),
            bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
            "refused by the guard"
        );
    }
}
