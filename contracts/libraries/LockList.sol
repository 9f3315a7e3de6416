// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannelEscrow, Lock} from "../interfaces/IChannelEscrow.sol";

/// @title The list of pending locks of one direction
library LockList {
    /// @dev A list must fit a claim of all its locks into one transaction with room to spare.
    uint256 internal constant MAX_LOCKS = 64;

    /// @dev keccak256 over the packed list, zero when it is empty. A packed lock is 64 bytes: one word holding id, amount
    /// and expiry, and one word holding the hash.
    function rootOf(Lock[] calldata locks) internal pure returns (bytes32 root) {
        if (locks.length == 0) {
            return 0;
        }
        bytes memory packed = new bytes(locks.length * 64);
        for (uint256 i = 0; i < locks.length; ++i) {
            Lock calldata lock = locks[i];
            uint256 head = (uint256(lock.id) << 192) | (uint256(lock.amount) << 64) | lock.expiry;
            bytes32 hash = lock.hash;
            assembly ("memory-safe") {
                let at := add(add(packed, 0x20), shl(6, i))
                mstore(at, head)
                mstore(add(at, 0x20), hash)
            }
        }
        return keccak256(packed);
    }

    /// @dev Reverts unless the list is one a proof with this root and sum may have. Returns its latest expiry, zero when
    /// it is empty. The sum cannot overflow: 64 amounts of 128 bits.
    function validate(
        Lock[] calldata locks,
        bytes32 locksRoot,
        uint256 locked
    ) internal pure returns (uint256 latestExpiry) {
        if (locks.length > MAX_LOCKS) {
            revert IChannelEscrow.ChannelEscrow_TooManyLocks(locks.length, MAX_LOCKS);
        }
        uint64 previous = 0;
        uint256 sum = 0;
        for (uint256 i = 0; i < locks.length; ++i) {
            Lock calldata lock = locks[i];
            if (lock.id <= previous) {
                revert IChannelEscrow.ChannelEscrow_LocksNotAscending(lock.id, previous);
            }
            previous = lock.id;
            sum += lock.amount;
            if (lock.expiry > latestExpiry) {
                latestExpiry = lock.expiry;
            }
        }
        if (sum != locked) {
            revert IChannelEscrow.ChannelEscrow_WrongLockedSum(sum, locked);
        }
        requireRoot(locks, locksRoot);
    }

    /// @dev Reverts unless the list hashes to `locksRoot`.
    function requireRoot(Lock[] calldata locks, bytes32 locksRoot) internal pure {
        bytes32 root = rootOf(locks);
        if (root != locksRoot) {
            revert IChannelEscrow.ChannelEscrow_WrongLocksRoot(root, locksRoot);
        }
    }

    /// @dev Names one lock of one direction for ever. The whole lock is in it: an id that a payer used for two locks
    /// must not let the claim of one pass for the other.
    function keyOf(bytes32 channelId, address payer, Lock calldata lock) internal pure returns (bytes32) {
        return keccak256(abi.encode(channelId, payer, lock));
    }
}
