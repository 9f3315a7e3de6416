// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BalanceProof, Channel, Lock} from "../../interfaces/IChannelEscrow.sol";

/// @title What signers sign, written a second time
/// @dev Shares nothing with the escrow's own libraries, so that a slip in one of the two shows.
library Messages {
    string private constant PROOF_FIELDS =
        "(bytes32 channelId,uint64 nonce,uint256 transferred,uint256 locked,bytes32 locksRoot,bytes32 history)";

    function domainSeparator(uint256 chainId, address escrow) internal pure returns (bytes32) {
        bytes32 typehash = keccak256(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        );
        return keccak256(abi.encode(typehash, keccak256("Rivulet"), keccak256("1"), chainId, escrow));
    }

    function digest(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function channelId(uint256 chainId, address escrow, Channel memory c) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    chainId,
                    escrow,
                    c.participant0,
                    c.participant1,
                    c.signer0,
                    c.signer1,
                    c.token,
                    c.challengePeriod,
                    c.salt
                )
            );
    }

    function proof(bytes32 id, BalanceProof memory p) internal pure returns (bytes32) {
        return _proof("BalanceProof", id, p);
    }

    function endorsement(bytes32 id, BalanceProof memory p) internal pure returns (bytes32) {
        return _proof("Endorsement", id, p);
    }

    function withdrawal(
        bytes32 id,
        address participant,
        uint256 total,
        uint256 deadline
    ) internal pure returns (bytes32) {
        bytes32 typehash = keccak256(
            "Withdrawal(bytes32 channelId,address participant,uint256 totalWithdrawn,uint256 deadline)"
        );
        return keccak256(abi.encode(typehash, id, participant, total, deadline));
    }

    function cooperativeClose(
        bytes32 id,
        uint256 transferred0,
        uint256 transferred1,
        uint256 deadline
    ) internal pure returns (bytes32) {
        bytes32 typehash = keccak256(
            "CooperativeClose(bytes32 channelId,uint256 transferred0,uint256 transferred1,uint256 deadline)"
        );
        return keccak256(abi.encode(typehash, id, transferred0, transferred1, deadline));
    }

    function startClose(bytes32 id, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("StartClose(bytes32 channelId,uint256 deadline)"), id, deadline));
    }

    function packLocks(Lock[] memory locks) internal pure returns (bytes memory packed) {
        for (uint256 i = 0; i < locks.length; ++i) {
            packed = bytes.concat(
                packed,
                abi.encodePacked(locks[i].id, locks[i].amount, locks[i].expiry, locks[i].hash)
            );
        }
    }

    function locksRoot(Lock[] memory locks) internal pure returns (bytes32) {
        return locks.length == 0 ? bytes32(0) : keccak256(packLocks(locks));
    }

    function lockedSum(Lock[] memory locks) internal pure returns (uint256 sum) {
        for (uint256 i = 0; i < locks.length; ++i) {
            sum += locks[i].amount;
        }
    }

    function _proof(string memory name, bytes32 id, BalanceProof memory p) private pure returns (bytes32) {
        bytes32 typehash = keccak256(bytes.concat(bytes(name), bytes(PROOF_FIELDS)));
        return keccak256(abi.encode(typehash, id, p.nonce, p.transferred, p.locked, p.locksRoot, p.history));
    }
}
