// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BalanceProof, Channel, ChannelStatus, IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";

contract StartCloseTest is EscrowTest {
    function test_TheCloserStartsWithoutAProof() external {
        Channel memory channel = _openToken();
        bytes32 id = _id(channel);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.CloseStarted(id, accounts[1], time + PERIOD);
        vm.prank(accounts[1]);
        escrow.startClose(channel, accounts[1], 0, "", _none(), "", "", _noLocks());
        _isStatus(channel, ChannelStatus.Closing);
        _eq(_deadline(channel), time + PERIOD, "deadline");
    }

    function test_ItsSignerStartsWithTheCounterpartysProof() external {
        Channel memory channel = _openToken();
        BalanceProof memory proof = _proof(3, 40);
        bytes memory signature = _signProof(channel, 1, proof);
        vm.prank(signers[0]);
        escrow.startClose(channel, accounts[0], 0, "", proof, signature, "", _noLocks());
        _recorded(channel, 1, 3, 40);
        _recorded(channel, 0, 0, 0);
    }

    function test_AnyoneStartsWithTheSignersStartClose() external {
        Channel memory channel = _openToken();
        bytes memory close = _sign(signerKeys[0], Messages.startClose(_id(channel), time));
        vm.prank(stranger);
        escrow.startClose(channel, accounts[0], time, close, _none(), "", "", _noLocks());
        _isStatus(channel, ChannelStatus.Closing);
    }

    function test_AnyoneStartsWithAnEndorsedProof() external {
        Channel memory channel = _openToken();
        bytes memory close = _sign(signerKeys[0], Messages.startClose(_id(channel), time));
        BalanceProof memory proof = _proof(3, 40);
        bytes memory signature = _signProof(channel, 1, proof);
        bytes memory endorsement = _endorse(channel, 1, proof);
        vm.prank(stranger);
        escrow.startClose(channel, accounts[0], time, close, proof, signature, endorsement, _noLocks());
        _recorded(channel, 1, 3, 40);
    }

    function test_RevertWhen_AThiefPutsAWorthlessProofUnderACopiedStartClose() external {
        Channel memory channel = _openToken();
        bytes memory close = _sign(signerKeys[0], Messages.startClose(_id(channel), time));
        BalanceProof memory worthless = _proof(type(uint64).max, 0);
        bytes memory signature = _signProof(channel, 1, worthless);
        _expect(IChannelEscrow.ChannelEscrow_NotEndorsed.selector, signers[0]);
        vm.prank(accounts[1]);
        escrow.startClose(channel, accounts[0], time, close, worthless, signature, "", _noLocks());
        bytes memory byThief = _sign(signerKeys[1], Messages.endorsement(_id(channel), worthless));
        _expect(IChannelEscrow.ChannelEscrow_NotEndorsed.selector, signers[0]);
        vm.prank(signers[1]);
        escrow.startClose(channel, accounts[0], time, close, worthless, signature, byThief, _noLocks());
    }

    function test_RevertWhen_TheCloserHasNotAgreed() external {
        Channel memory channel = _openToken();
        _expect(IChannelEscrow.ChannelEscrow_NotCloser.selector, accounts[1]);
        vm.prank(accounts[1]);
        escrow.startClose(channel, accounts[0], 0, "", _none(), "", "", _noLocks());
        _expect(IChannelEscrow.ChannelEscrow_NotCloser.selector, signers[1]);
        vm.prank(signers[1]);
        escrow.startClose(channel, accounts[0], 0, "", _none(), "", "", _noLocks());
        bytes memory byOther = _sign(signerKeys[1], Messages.startClose(_id(channel), time));
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.startClose(channel, accounts[0], time, byOther, _none(), "", "", _noLocks());
        bytes memory close = _sign(signerKeys[0], Messages.startClose(_id(channel), time));
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        escrow.startClose(channel, accounts[0], time + 1, close, _none(), "", "", _noLocks());
    }

    function test_RevertWhen_TheStartCloseHasExpired() external {
        Channel memory channel = _openToken();
        bytes memory close = _sign(signerKeys[0], Messages.startClose(_id(channel), time));
        _warp(time + 1);
        _expect(IChannelEscrow.ChannelEscrow_DeadlinePassed.selector, time - 1, time);
        escrow.startClose(channel, accounts[0], time - 1, close, _none(), "", "", _noLocks());
    }

    function test_RevertWhen_TheCloserIsNoParticipant() external {
        Channel memory channel = _openToken();
        _expect(IChannelEscrow.ChannelEscrow_NotParticipant.selector, stranger);
        vm.prank(stranger);
        escrow.startClose(channel, stranger, 0, "", _none(), "", "", _noLocks());
    }

    function test_RevertWhen_TheProofIsNotTheCounterpartys() external {
        Channel memory channel = _openToken();
        BalanceProof memory proof = _proof(3, 40);
        bytes memory own = _signProof(channel, 0, proof);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[1]);
        vm.prank(accounts[0]);
        escrow.startClose(channel, accounts[0], 0, "", proof, own, "", _noLocks());
    }

    function test_RevertWhen_TheChannelIsNewOrSettled() external {
        Channel memory channel = _terms(address(token));
        _expectWrongStatus(channel, ChannelStatus.None);
        vm.prank(accounts[0]);
        escrow.startClose(channel, accounts[0], 0, "", _none(), "", "", _noLocks());
        channel = _settled(address(token));
        _expectWrongStatus(channel, ChannelStatus.Settled);
        vm.prank(accounts[0]);
        escrow.startClose(channel, accounts[0], 0, "", _none(), "", "", _noLocks());
    }

    function test_WhileClosing_ItDoesNothingWithoutAProof() external {
        Channel memory channel = _closing(address(token));
        uint256 deadline = _deadline(channel);
        _warp(time + 10);
        _startClose(channel, 1);
        vm.prank(stranger);
        escrow.startClose(channel, accounts[0], 0, "", _none(), "", "", _noLocks());
        _eq(_deadline(channel), deadline, "not moved");
    }

    function test_WhileClosing_ItRecordsAsAChallengeDoes() external {
        Channel memory channel = _closing(address(token));
        uint256 deadline = _deadline(channel);
        BalanceProof memory proof = _proof(3, 40);
        bytes memory signature = _signProof(channel, 0, proof);
        _expect(IChannelEscrow.ChannelEscrow_NotEndorsed.selector, signers[1]);
        vm.prank(stranger);
        escrow.startClose(channel, accounts[1], 0, "", proof, signature, "", _noLocks());

        bytes memory endorsement = _endorse(channel, 0, proof);
        _warp(time + 10);
        vm.prank(stranger);
        escrow.startClose(channel, accounts[1], 0, hex"00", proof, signature, endorsement, _noLocks());
        _recorded(channel, 0, 3, 40);

        proof = _proof(4, 50);
        signature = _signProof(channel, 0, proof);
        vm.prank(accounts[1]);
        escrow.startClose(channel, accounts[1], 0, "", proof, signature, "", _noLocks());
        _recorded(channel, 0, 4, 50);
        _eq(_deadline(channel), deadline, "not moved");
    }

    function test_RevertWhen_ClosingAndTheDeadlineIsReached() external {
        Channel memory channel = _closing(address(token));
        _warp(_deadline(channel));
        _expect(IChannelEscrow.ChannelEscrow_ChallengePeriodOver.selector, time, time);
        vm.prank(accounts[1]);
        escrow.startClose(channel, accounts[1], 0, "", _none(), "", "", _noLocks());
    }

    function test_WorksWithoutAChallengePeriod() external {
        Channel memory channel = _terms(address(token));
        channel.challengePeriod = 0;
        _deposit(channel, 0, 10);
        _startClose(channel, 0);
        _eq(_deadline(channel), time, "deadline");
        escrow.settle(channel);
        _isStatus(channel, ChannelStatus.Settled);
    }

    function _recorded(Channel memory channel, uint256 payer, uint64 expectedNonce, uint256 expected) private view {
        (uint64 nonce, uint256 transferred, uint256 claimed, bytes32 root) = escrow.recordedProof(
            _id(channel),
            _participant(channel, payer)
        );
        _eq(nonce, expectedNonce, "nonce");
        _eq(transferred, expected, "transferred");
        _eq(claimed, 0, "claimed");
        _eq(root, bytes32(0), "root");
    }
}
