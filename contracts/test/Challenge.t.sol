// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {BalanceProof, Channel, ChannelStatus, IChannelEscrow, Lock} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";

contract ChallengeTest is EscrowTest {
    Channel private channel;

    function setUp() public override {
        super.setUp();
        channel = _closing(address(token));
    }

    function test_ThePayeeRecordsAProof() external {
        bytes32 id = _id(channel);
        BalanceProof memory proof = _proof(3, 40);
        bytes memory signature = _signProof(channel, 0, proof);
        uint256 deadline = _deadline(channel);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.ProofRecorded(id, accounts[0], 3, 40, 0, deadline);
        vm.prank(accounts[1]);
        escrow.challenge(channel, accounts[0], proof, signature, "", _noLocks());
        _recorded(0, 3, 40, 0);
        _recorded(1, 0, 0, 0);
    }

    function test_ThePayeesSignerRecordsAProof() external {
        BalanceProof memory proof = _proof(3, 40);
        bytes memory signature = _signProof(channel, 1, proof);
        vm.prank(signers[0]);
        escrow.challenge(channel, accounts[1], proof, signature, "", _noLocks());
        _recorded(1, 3, 40, 0);
    }

    function test_AnyoneRecordsAnEndorsedProof() external {
        BalanceProof memory proof = _proof(3, 40);
        bytes memory signature = _signProof(channel, 0, proof);
        bytes memory endorsement = _endorse(channel, 0, proof);
        vm.prank(stranger);
        escrow.challenge(channel, accounts[0], proof, signature, endorsement, _noLocks());
        _recorded(0, 3, 40, 0);
    }

    function test_AHigherNonceReplacesALowerOne() external {
        _record(channel, 0, _proof(3, 40));
        _record(channel, 0, _proof(7, 30));
        _recorded(0, 7, 30, 0);
    }

    function test_RevertWhen_TheNonceIsNotHigher() external {
        _record(channel, 0, _proof(3, 40));
        _refusedNonce(_proof(2, 100), 3);
        _refusedNonce(_proof(3, 41), 3);
        _refusedNonce(_proof(3, 40, _locks(1, time + PERIOD)), 3);
        _refusedNonce(_proof(0, 0), 3);
    }

    function test_RevertWhen_TheFirstNonceIsZero() external {
        _refusedNonce(_proof(0, 0), 0);
    }

    function test_TheOneAlreadyRecordedDoesNothing() external {
        Lock[] memory locks = _locks(2, time + PERIOD);
        BalanceProof memory proof = _proof(3, 40, locks);
        _record(channel, 0, proof, locks);
        _claim(channel, 0, locks, 0);
        vm.prank(stranger);
        escrow.challenge(channel, accounts[0], proof, "", "", locks);
        _recorded(0, 3, 40, 10);
    }

    function test_RevertWhen_ThePayerHasNotSigned() external {
        BalanceProof memory proof = _proof(3, 40);
        bytes memory byPayee = _signProof(channel, 1, proof);
        _refusedSignature(proof, byPayee);
        bytes memory asEndorsement = _sign(signerKeys[0], Messages.endorsement(_id(channel), proof));
        _refusedSignature(proof, asEndorsement);
        bytes memory signature = _signProof(channel, 0, proof);
        _refusedSignature(_proof(4, 40), signature);
        _refusedSignature(_proof(3, 41), signature);
        BalanceProof memory changed = _proof(3, 40);
        changed.history = 0;
        _refusedSignature(changed, signature);
        _refusedSignature(proof, "");
    }

    function test_RevertWhen_ThePayerSignsANewerSmallerProofAgainstAnAbsentPayee() external {
        _record(channel, 0, _proof(3, 40));
        BalanceProof memory smaller = _proof(4, 0);
        bytes memory signature = _signProof(channel, 0, smaller);
        bytes memory byItself = _sign(signerKeys[0], Messages.endorsement(_id(channel), smaller));
        bytes memory asProof = _sign(signerKeys[1], Messages.proof(_id(channel), smaller));
        bytes memory older = _endorse(channel, 0, _proof(3, 40));
        bytes[4] memory attempts = [bytes(""), byItself, asProof, older];
        for (uint256 i = 0; i < attempts.length; ++i) {
            _expect(IChannelEscrow.ChannelEscrow_NotEndorsed.selector, signers[1]);
            vm.prank(i % 2 == 0 ? accounts[0] : signers[0]);
            escrow.challenge(channel, accounts[0], smaller, signature, attempts[i], _noLocks());
        }
        _recorded(0, 3, 40, 0);
    }

    function test_RevertWhen_ThePayerIsNoParticipant() external {
        _expect(IChannelEscrow.ChannelEscrow_NotParticipant.selector, stranger);
        escrow.challenge(channel, stranger, _proof(3, 40), "", "", _noLocks());
    }

    function test_RevertWhen_TheChannelIsNotClosing() external {
        Channel memory other = _terms(address(token));
        _expectWrongStatus(other, ChannelStatus.None);
        escrow.challenge(other, accounts[0], _proof(3, 40), "", "", _noLocks());
        other = _openToken();
        _expectWrongStatus(other, ChannelStatus.Open);
        escrow.challenge(other, accounts[0], _proof(3, 40), "", "", _noLocks());
        other = _settled(address(token));
        _expectWrongStatus(other, ChannelStatus.Settled);
        escrow.challenge(other, accounts[0], _proof(3, 40), "", "", _noLocks());
    }

    function test_RecordsOneSecondBeforeTheDeadlineAndNotAtIt() external {
        BalanceProof memory proof = _proof(4, 50);
        bytes memory signature = _signProof(channel, 0, proof);
        uint256 deadline = _deadline(channel);
        _warp(deadline - 1);
        _record(channel, 0, _proof(3, 40));
        _warp(deadline);
        _expect(IChannelEscrow.ChannelEscrow_ChallengePeriodOver.selector, deadline, deadline);
        vm.prank(accounts[1]);
        escrow.challenge(channel, accounts[0], proof, signature, "", _noLocks());
    }

    function test_MovesTheDeadlineToTheLatestExpiry() external {
        uint256 deadline = _deadline(channel);
        Lock[] memory locks = _locks(3, deadline - 5);
        _record(channel, 0, _proof(1, 0, locks), locks);
        _eq(_deadline(channel), deadline, "earlier ones do not move it");
        locks[1].expiry = uint64(deadline + 100);
        _record(channel, 0, _proof(2, 0, locks), locks);
        _eq(_deadline(channel), deadline + 100, "moved");
        locks = _locks(1, deadline + 50);
        _record(channel, 1, _proof(1, 0, locks), locks);
        _eq(_deadline(channel), deadline + 100, "never back");
        _warp(deadline + 99);
        _record(channel, 0, _proof(3, 0));
    }

    function test_RevertWhen_TheLocksAreNotTheSignedOnes() external {
        Lock[] memory locks = _locks(2, time + PERIOD);
        BalanceProof memory proof = _proof(1, 0, locks);

        Lock[] memory other = _locks(2, time + PERIOD + 1);
        _refusedLocks(
            proof,
            other,
            abi.encodeWithSelector(
                IChannelEscrow.ChannelEscrow_WrongLocksRoot.selector,
                Messages.locksRoot(other),
                proof.locksRoot
            )
        );
        _refusedLocks(
            proof,
            _locks(1, time + PERIOD),
            abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_WrongLockedSum.selector, 10, 30)
        );
        proof.locked = 31;
        _refusedLocks(
            proof,
            locks,
            abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_WrongLockedSum.selector, 30, 31)
        );
        proof = _proof(1, 0);
        proof.locksRoot = keccak256("");
        _refusedLocks(
            proof,
            _noLocks(),
            abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_WrongLocksRoot.selector, bytes32(0), keccak256(""))
        );
    }

    function test_RevertWhen_LocksAreNotAscending() external {
        Lock[] memory locks = _locks(2, time + PERIOD);
        (locks[0], locks[1]) = (locks[1], locks[0]);
        _refusedLocks(
            _proof(1, 0, locks),
            locks,
            abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_LocksNotAscending.selector, 1, 2)
        );
        locks[1] = locks[0];
        _refusedLocks(
            _proof(1, 0, locks),
            locks,
            abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_LocksNotAscending.selector, 2, 2)
        );
        locks = _locks(1, time + PERIOD);
        locks[0].id = 0;
        _refusedLocks(
            _proof(1, 0, locks),
            locks,
            abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_LocksNotAscending.selector, 0, 0)
        );
    }

    function test_TakesSixtyFourLocksAndNoMore() external {
        Lock[] memory locks = _locks(65, time + PERIOD);
        _refusedLocks(
            _proof(1, 0, locks),
            locks,
            abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_TooManyLocks.selector, 65, 64)
        );
        locks = _locks(64, time + PERIOD);
        _record(channel, 0, _proof(1, 0, locks), locks);
        _recorded(0, 1, 0, 0);
    }

    function test_RevertWhen_AValueDoesNotFit() external {
        uint256 wide = uint256(type(uint128).max) + 1;
        _refusedLocks(
            _proof(1, wide),
            _noLocks(),
            abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 128, wide)
        );
        _record(channel, 0, _proof(1, wide - 1));

        Lock[] memory locks = _locks(1, uint256(type(uint40).max) + 1);
        _refusedLocks(
            _proof(2, 0, locks),
            locks,
            abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 40, uint256(2) ** 40)
        );
    }

    function test_CountsClaimsUnderEarlierProofsAndDropsThoseOffTheList() external {
        Lock[] memory locks = _locks(3, time + PERIOD);
        _record(channel, 0, _proof(5, 0, locks), locks);
        _claim(channel, 0, locks, 0);
        _claim(channel, 0, locks, 1);
        _recorded(0, 5, 0, 30);

        Lock[] memory rest = new Lock[](2);
        (rest[0], rest[1]) = (locks[1], locks[2]);
        _record(channel, 0, _proof(6, 10, rest), rest);
        _recorded(0, 6, 10, 20);

        _record(channel, 0, _proof(7, 60));
        _recorded(0, 7, 60, 0);
        (, , , bytes32 root) = escrow.recordedProof(_id(channel), accounts[0]);
        _eq(root, bytes32(0), "root");

        _record(channel, 0, _proof(8, 60, locks), locks);
        _recorded(0, 8, 60, 30);
    }

    function test_AReusedLockIdDoesNotInheritAClaim() external {
        Lock[] memory locks = _locks(1, time + PERIOD);
        _record(channel, 0, _proof(5, 0, locks), locks);
        _claim(channel, 0, locks, 0);
        locks[0].amount = 1_000;
        _record(channel, 0, _proof(6, 0, locks), locks);
        _recorded(0, 6, 0, 0);
    }

    function test_ClaimsSaturate() external {
        Lock[] memory locks = _locks(2, time + PERIOD);
        (locks[0].amount, locks[1].amount) = (type(uint128).max, type(uint128).max);
        _record(channel, 0, _proof(5, 0, locks), locks);
        _claim(channel, 0, locks, 0);
        _claim(channel, 0, locks, 1);
        _recorded(0, 5, 0, type(uint128).max);
        _record(channel, 0, _proof(6, 0, locks), locks);
        _recorded(0, 6, 0, type(uint128).max);
    }

    function _refusedNonce(BalanceProof memory proof, uint256 recorded) private {
        bytes memory signature = _signProof(channel, 0, proof);
        _expect(IChannelEscrow.ChannelEscrow_NonceNotHigher.selector, proof.nonce, recorded);
        vm.prank(accounts[1]);
        escrow.challenge(channel, accounts[0], proof, signature, "", _noLocks());
    }

    function _refusedSignature(BalanceProof memory proof, bytes memory signature) private {
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[0]);
        vm.prank(accounts[1]);
        escrow.challenge(channel, accounts[0], proof, signature, "", _noLocks());
    }

    function _refusedLocks(BalanceProof memory proof, Lock[] memory locks, bytes memory reason) private {
        bytes memory signature = _signProof(channel, 0, proof);
        vm.expectRevert(reason);
        vm.prank(accounts[1]);
        escrow.challenge(channel, accounts[0], proof, signature, "", locks);
    }

    function _recorded(uint256 payer, uint256 expectedNonce, uint256 expected, uint256 expectedClaimed) private view {
        (uint64 nonce, uint256 transferred, uint256 claimed, ) = escrow.recordedProof(
            _id(channel),
            _participant(channel, payer)
        );
        _eq(nonce, expectedNonce, "nonce");
        _eq(transferred, expected, "transferred");
        _eq(claimed, expectedClaimed, "claimed");
    }
}
