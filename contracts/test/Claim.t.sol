// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Channel, ChannelStatus, IChannelEscrow, Lock} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";

contract ClaimTest is EscrowTest {
    Channel private channel;
    uint256 private expiry;

    function setUp() public override {
        super.setUp();
        channel = _closing(address(token));
        expiry = time + 2 * PERIOD;
    }

    function test_ClaimsALockAndShowsItsPreimage() external {
        Lock[] memory locks = _recordLocks(3);
        bytes32 id = _id(channel);
        (uint256[] memory indices, bytes32[] memory preimages) = _one(1, _preimage(2));
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.LockClaimed(id, accounts[0], 2, _preimage(2));
        vm.prank(stranger);
        escrow.claim(channel, accounts[0], locks, indices, preimages);
        _claimed(20);
        _true(escrow.isClaimed(id, accounts[0], locks[1]), "this one");
        _true(!escrow.isClaimed(id, accounts[0], locks[0]), "no other");
        _true(!escrow.isClaimed(id, accounts[1], locks[1]), "no other direction");
    }

    function test_ClaimsSeveralAtOnce() external {
        Lock[] memory locks = _recordLocks(64);
        uint256[] memory indices = new uint256[](64);
        bytes32[] memory preimages = new bytes32[](64);
        for (uint256 i = 0; i < 64; ++i) {
            (indices[i], preimages[i]) = (63 - i, _preimage(64 - i));
        }
        escrow.claim(channel, accounts[0], locks, indices, preimages);
        _claimed(20_800);
    }

    function test_SkipsWhatIsClaimedExpiredOrWrongWithoutHurtingTheRest() external {
        Lock[] memory locks = _locks(4, expiry);
        locks[2].expiry = uint64(time);
        _record(channel, 0, _proof(1, 0, locks), locks);
        _claim(channel, 0, locks, 0);

        uint256[] memory indices = new uint256[](8);
        bytes32[] memory preimages = new bytes32[](8);
        (indices[0], preimages[0]) = (0, _preimage(1)); // claimed
        (indices[1], preimages[1]) = (2, _preimage(3)); // expired
        (indices[2], preimages[2]) = (1, _preimage(3)); // another lock's preimage
        (indices[3], preimages[3]) = (1, bytes32(0)); // nobody's
        (indices[4], preimages[4]) = (4, _preimage(4)); // no such lock
        (indices[5], preimages[5]) = (type(uint256).max, _preimage(4)); // no such lock
        (indices[6], preimages[6]) = (3, _preimage(4)); // good
        (indices[7], preimages[7]) = (3, _preimage(4)); // good once
        escrow.claim(channel, accounts[0], locks, indices, preimages);
        _claimed(50);
    }

    function test_NothingLeftToClaimDoesNothing() external {
        Lock[] memory locks = _recordLocks(1);
        _claim(channel, 0, locks, 0);
        _claim(channel, 0, locks, 0);
        escrow.claim(channel, accounts[0], locks, new uint256[](0), new bytes32[](0));
        escrow.claim(channel, accounts[1], _noLocks(), new uint256[](0), new bytes32[](0));
        _claimed(10);
    }

    function test_ClaimsOneSecondBeforeTheExpiryAndNotAtIt() external {
        Lock[] memory locks = _recordLocks(2);
        _warp(expiry - 1);
        _claim(channel, 0, locks, 0);
        _claimed(10);
        _warp(expiry);
        _claim(channel, 0, locks, 1);
        _claimed(10);
    }

    function test_LocksOfEqualHashAreClaimedEachOnItsOwn() external {
        Lock[] memory locks = _locks(2, expiry);
        locks[1].hash = locks[0].hash;
        _record(channel, 0, _proof(1, 0, locks), locks);
        (uint256[] memory indices, bytes32[] memory preimages) = _one(0, _preimage(1));
        escrow.claim(channel, accounts[0], locks, indices, preimages);
        _claimed(10);
        (indices, preimages) = _one(1, _preimage(1));
        escrow.claim(channel, accounts[0], locks, indices, preimages);
        _claimed(30);
    }

    function test_ALockOfNothingIsClaimedForItsPreimage() external {
        Lock[] memory locks = _locks(1, expiry);
        locks[0].amount = 0;
        _record(channel, 0, _proof(1, 0, locks), locks);
        _claim(channel, 0, locks, 0);
        _claimed(0);
        _true(escrow.isClaimed(_id(channel), accounts[0], locks[0]), "claimed");
    }

    function test_TheTwoDirectionsAreClaimedApart() external {
        Lock[] memory locks = _recordLocks(1);
        _record(channel, 1, _proof(1, 0, locks), locks);
        _claim(channel, 1, locks, 0);
        _claimed(0);
        _claim(channel, 0, locks, 0);
        _claimed(10);
    }

    function test_RevertWhen_TheListIsNotTheRecordedOne() external {
        Lock[] memory locks = _recordLocks(2);
        Lock[] memory others = _locks(1, expiry);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelEscrow.ChannelEscrow_WrongLocksRoot.selector,
                Messages.locksRoot(others),
                Messages.locksRoot(locks)
            )
        );
        escrow.claim(channel, accounts[0], others, new uint256[](0), new bytes32[](0));
        bytes32 recorded = Messages.locksRoot(locks);
        locks[1].amount = 1_000;
        (uint256[] memory indices, bytes32[] memory preimages) = _one(1, _preimage(2));
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelEscrow.ChannelEscrow_WrongLocksRoot.selector,
                Messages.locksRoot(locks),
                recorded
            )
        );
        escrow.claim(channel, accounts[0], locks, indices, preimages);
    }

    function test_RevertWhen_LengthsDiffer() external {
        Lock[] memory locks = _recordLocks(2);
        _expect(IChannelEscrow.ChannelEscrow_LengthMismatch.selector, 2, 1);
        escrow.claim(channel, accounts[0], locks, new uint256[](2), new bytes32[](1));
    }

    function test_RevertWhen_ThePayerIsNoParticipant() external {
        _expect(IChannelEscrow.ChannelEscrow_NotParticipant.selector, stranger);
        escrow.claim(channel, stranger, _noLocks(), new uint256[](0), new bytes32[](0));
    }

    function test_RevertWhen_TheChannelIsNotClosing() external {
        _refused(_terms(address(token)), ChannelStatus.None);
        _refused(_openToken(), ChannelStatus.Open);
        _refused(_settled(address(token)), ChannelStatus.Settled);
    }

    function _refused(Channel memory other, ChannelStatus status) private {
        _expectWrongStatus(other, status);
        escrow.claim(other, accounts[0], _noLocks(), new uint256[](0), new bytes32[](0));
    }

    function _recordLocks(uint256 count) private returns (Lock[] memory locks) {
        locks = _locks(count, expiry);
        _record(channel, 0, _proof(1, 0, locks), locks);
    }

    function _claimed(uint256 expected) private view {
        (, , uint256 claimed, ) = escrow.recordedProof(_id(channel), accounts[0]);
        _eq(claimed, expected, "claimed");
    }
}
