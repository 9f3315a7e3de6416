// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BalanceProof, Channel, ChannelStatus, IChannelEscrow, Lock} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest, IMulticall} from "./support/EscrowTest.sol";
import {vm} from "./support/Vm.sol";

contract MulticallTest is EscrowTest {
    function test_StartsCloseAndClaimsInOneTransaction() external {
        Channel memory channel = _openToken();
        Lock[] memory locks = _locks(2, time + PERIOD);
        BalanceProof memory proof = _proof(1, 0, locks);
        bytes memory signature = _signProof(channel, 1, proof);
        (uint256[] memory indices, bytes32[] memory preimages) = _one(1, _preimage(2));
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(escrow.startClose, (channel, accounts[0], 0, "", proof, signature, "", locks));
        calls[1] = abi.encodeCall(escrow.claim, (channel, accounts[1], locks, indices, preimages));
        vm.prank(accounts[0]);
        IMulticall(address(escrow)).multicall(calls);
        (, , uint256 claimed, ) = escrow.recordedProof(_id(channel), accounts[1]);
        _eq(claimed, 20, "claimed");
    }

    function test_ActsInItsCallersName() external {
        Channel memory channel = _openToken();
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(escrow.startClose, (channel, accounts[0], 0, "", _none(), "", "", _noLocks()));
        _expect(IChannelEscrow.ChannelEscrow_NotCloser.selector, stranger);
        vm.prank(stranger);
        IMulticall(address(escrow)).multicall(calls);
    }

    function test_RevertWhen_NativeCoinIsSent() external {
        Channel memory channel = _terms(NATIVE);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(escrow.deposit, (channel, accounts[0], 5));
        calls[1] = calls[0];
        vm.deal(address(this), 10);
        (bool success, ) = address(escrow).call{value: 5}(abi.encodeCall(IMulticall.multicall, (calls)));
        _true(!success, "refused");
        _expect(IChannelEscrow.ChannelEscrow_WrongValue.selector, 0, 5);
        IMulticall(address(escrow)).multicall(calls);
        _isStatus(channel, ChannelStatus.None);
    }

    function test_RevertWhen_OneCallReverts() external {
        Channel memory channel = _closing(address(token));
        _warp(_deadline(channel));
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(escrow.settle, (channel));
        calls[1] = calls[0];
        _expectWrongStatus(channel, ChannelStatus.Settled);
        IMulticall(address(escrow)).multicall(calls);
        _isStatus(channel, ChannelStatus.Closing);
    }
}
