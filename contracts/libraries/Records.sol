// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ChannelStatus} from "../interfaces/IChannelEscrow.sol";

/// @dev All of a channel that was only deposited into, and the tombstone of a settled one.
struct Record {
    uint256 deposit0;
    uint256 deposit1;
    uint256 deadline;
    ChannelStatus status;
}

/// @dev A recorded proof without its locks. `hasLocks` spares everyone else the reads of the slots behind it.
struct ProofHead {
    uint256 nonce;
    uint256 transferred;
    bool hasLocks;
}

/// @title Records of one storage slot each
/// @dev Packed by hand, because the compiler writes a packed struct field by field. Every field is checked to fit.
library Records {
    using SafeCast for uint256;

    /// @dev deposit0 104, deposit1 104, deadline 40, status 8 bits, from the lowest.
    function pack(Record memory record) internal pure returns (uint256) {
        return
            uint256(record.deposit0.toUint104()) |
            (uint256(record.deposit1.toUint104()) << 104) |
            (uint256(record.deadline.toUint40()) << 208) |
            (uint256(record.status) << 248);
    }

    function unpack(uint256 word) internal pure returns (Record memory record) {
        record.deposit0 = word & type(uint104).max;
        record.deposit1 = (word >> 104) & type(uint104).max;
        record.deadline = (word >> 208) & type(uint40).max;
        record.status = ChannelStatus(word >> 248);
    }

    /// @dev nonce 64, transferred 128, hasLocks 8 bits, from the lowest.
    function packHead(ProofHead memory head) internal pure returns (uint256) {
        return
            uint256(head.nonce.toUint64()) |
            (uint256(head.transferred.toUint128()) << 64) |
            (head.hasLocks ? 1 << 192 : 0);
    }

    function unpackHead(uint256 word) internal pure returns (ProofHead memory head) {
        head.nonce = word & type(uint64).max;
        head.transferred = (word >> 64) & type(uint128).max;
        head.hasLocks = word >> 192 != 0;
    }
}
