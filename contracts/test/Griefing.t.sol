// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BalanceProof, Channel, ChannelStatus, Lock} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";

/// @title Property 5: nobody but the two participants can delay or prevent a payout, and they only by what both signed
contract GriefingTest is EscrowTest {
    /// @dev Whoever sees a transaction in the open may send it first, and any number of times.
    function test_ACopiedTransactionDoesItsSendersWork() external {
        Channel memory channel = _openToken();
        bytes32 message = Messages.withdrawal(_id(channel), accounts[0], 100, time);
        bytes memory call = abi.encodeCall(
            escrow.withdraw,
            (channel, accounts[0], 100, time, _sign(signerKeys[0], message), _sign(signerKeys[1], message))
        );
        _sendTwice(call);

        Lock[] memory locks = _locks(2, time + 2 * PERIOD);
        BalanceProof memory proof = _proof(3, 40, locks);
        bytes memory close = _sign(signerKeys[0], Messages.startClose(_id(channel), time));
        bytes memory signature = _signProof(channel, 1, proof);
        bytes memory endorsement = _endorse(channel, 1, proof);
        call = abi.encodeCall(
            escrow.startClose,
            (channel, accounts[0], time, close, proof, signature, endorsement, locks)
        );
        uint256 deadline = time + 2 * PERIOD;
        _sendTwice(call);
        _eq(_deadline(channel), deadline, "moved once");
        call = abi.encodeCall(escrow.challenge, (channel, accounts[1], proof, signature, endorsement, locks));
        _sendTwice(call);
        (uint256[] memory indices, bytes32[] memory preimages) = _one(0, _preimage(1));
        _sendTwice(abi.encodeCall(escrow.claim, (channel, accounts[1], locks, indices, preimages)));
        _eq(_deadline(channel), deadline, "nobody moved it");

        _warp(deadline);
        uint256 before = token.balanceOf(accounts[0]);
        vm.prank(stranger);
        escrow.settle(channel);
        _eq(token.balanceOf(accounts[0]), before + 950, "paid as if nobody had interfered");
    }

    /// @dev A StartClose sent without its proof starts the same close; the proof is then recorded as a challenge.
    function test_AStartCloseRobbedOfItsProofLosesNothing() external {
        Channel memory channel = _openToken();
        bytes memory close = _sign(signerKeys[0], Messages.startClose(_id(channel), time));
        vm.prank(stranger);
        escrow.startClose(channel, accounts[0], time, close, _none(), "", "", _noLocks());
        BalanceProof memory proof = _proof(3, 40);
        bytes memory signature = _signProof(channel, 1, proof);
        vm.prank(accounts[0]);
        escrow.startClose(channel, accounts[0], 0, "", proof, signature, "", _noLocks());
        (uint64 nonce, , , ) = escrow.recordedProof(_id(channel), accounts[1]);
        _eq(nonce, 3, "recorded");
    }

    /// @dev With every key but the two signers', and every message about another channel.
    function testFuzz_AStrangerMovesNothing(uint8 which, uint64 nonce, uint128 amount, bool closing) external {
        Channel memory channel = closing ? _closing(address(token)) : _openToken();
        bytes32 state = _fingerprint(channel);
        BalanceProof memory proof = _proof(nonce, amount);
        bytes memory call = _strangersCall(channel, which % 7, accounts[(which / 7) % 2], proof);
        vm.prank(stranger);
        (bool success, ) = address(escrow).call(call);
        _true(!success || nonce == 0, "refused");
        _eq(_fingerprint(channel), state, "unchanged");
    }

    function _strangersCall(
        Channel memory channel,
        uint256 which,
        address participant,
        BalanceProof memory proof
    ) private returns (bytes memory) {
        bytes memory own = _sign(0xBAD, Messages.proof(_id(channel), proof));
        bytes memory other = _signProof(_terms(address(token)), 0, proof);
        if (which == 0) {
            return abi.encodeCall(escrow.challenge, (channel, participant, proof, own, own, _noLocks()));
        }
        if (which == 1) {
            return abi.encodeCall(escrow.challenge, (channel, participant, proof, other, other, _noLocks()));
        }
        if (which == 2) {
            return
                abi.encodeCall(escrow.startClose, (channel, participant, NEVER, own, proof, other, other, _noLocks()));
        }
        if (which == 3) {
            return abi.encodeCall(escrow.closeCooperatively, (channel, 1, 2, NEVER, own, other));
        }
        if (which == 4) {
            return abi.encodeCall(escrow.withdraw, (channel, participant, 1, NEVER, own, other));
        }
        if (which == 5) {
            return abi.encodeCall(escrow.settle, (channel));
        }
        return abi.encodeCall(escrow.withdrawPayout, (address(token), participant, stranger));
    }

    function testFuzz_AStrangersDepositChangesNothingButItsBeneficiarysShare(uint8 how, uint64 amount) external {
        vm.assume(amount != 0);
        Channel memory channel = _openToken();
        bytes32 message = Messages.cooperativeClose(_id(channel), 700, 100, time);
        bytes memory s0 = _sign(signerKeys[0], message);
        bytes memory s1 = _sign(signerKeys[1], message);
        (uint256 b0, uint256 b1) = (token.balanceOf(accounts[0]), token.balanceOf(accounts[1]));
        vm.prank(stranger);
        escrow.deposit(channel, accounts[how % 2], amount);
        escrow.closeCooperatively(channel, 700, 100, time, s0, s1);
        _eq(token.balanceOf(accounts[0]), b0 + 400 + (how % 2 == 0 ? amount : 0), "share 0");
        _eq(token.balanceOf(accounts[1]), b1 + 1100 + (how % 2 == 1 ? amount : 0), "share 1");
    }

    /// @dev Each side can delay by the locks the other side signed, and by nothing else.
    function test_ChallengesDoNotExtendTheDeadline() external {
        Channel memory channel = _closing(address(token));
        uint256 deadline = _deadline(channel);
        for (uint64 i = 1; i <= 20; ++i) {
            _warp(time + PERIOD / 21);
            _record(channel, i % 2, _proof(i, i));
        }
        _eq(_deadline(channel), deadline, "as it was");
        _warp(deadline);
        escrow.settle(channel);
        _isStatus(channel, ChannelStatus.Settled);
    }

    function _sendTwice(bytes memory call) private {
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(i == 0 ? stranger : accounts[1]);
            (bool success, ) = address(escrow).call(call);
            _true(success, "no revert for the second");
        }
    }

    function _fingerprint(Channel memory channel) private view returns (bytes32) {
        (ChannelStatus status, uint256 d0, uint256 d1, uint256 w0, uint256 w1, uint256 deadline) = escrow.channelState(
            _id(channel)
        );
        (uint64 n0, uint256 t0, , ) = escrow.recordedProof(_id(channel), accounts[0]);
        (uint64 n1, uint256 t1, , ) = escrow.recordedProof(_id(channel), accounts[1]);
        return keccak256(abi.encode(status, d0, d1, w0, w1, deadline, n0, t0, n1, t1));
    }
}
