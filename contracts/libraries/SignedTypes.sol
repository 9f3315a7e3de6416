// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BalanceProof} from "../interfaces/IChannelEscrow.sol";

/// @title EIP-712 struct hashes of everything a signer may sign
/// @dev One type per intent, so that a signature given for one can never be used as another.
library SignedTypes {
    bytes32 internal constant BALANCE_PROOF_TYPEHASH = keccak256(
        "BalanceProof(bytes32 channelId,uint64 nonce,uint256 transferred,uint256 locked,bytes32 locksRoot,bytes32 history)"
    );
    bytes32 internal constant ENDORSEMENT_TYPEHASH = keccak256(
        "Endorsement(bytes32 channelId,uint64 nonce,uint256 transferred,uint256 locked,bytes32 locksRoot,bytes32 history)"
    );
    bytes32 internal constant WITHDRAWAL_TYPEHASH = keccak256(
        "Withdrawal(bytes32 channelId,address participant,uint256 totalWithdrawn,uint256 deadline)"
    );
    bytes32 internal constant COOPERATIVE_CLOSE_TYPEHASH = keccak256(
        "CooperativeClose(bytes32 channelId,uint256 transferred0,uint256 transferred1,uint256 deadline)"
    );
    bytes32 internal constant START_CLOSE_TYPEHASH = keccak256("StartClose(bytes32 channelId,uint256 deadline)");

    /// @dev By the payer's signer.
    function balanceProof(bytes32 channelId, BalanceProof calldata proof) internal pure returns (bytes32) {
        return _proof(BALANCE_PROOF_TYPEHASH, channelId, proof);
    }

    /// @dev By the payee's signer, over the payer's proof.
    function endorsement(bytes32 channelId, BalanceProof calldata proof) internal pure returns (bytes32) {
        return _proof(ENDORSEMENT_TYPEHASH, channelId, proof);
    }

    /// @dev By both signers.
    function withdrawal(
        bytes32 channelId,
        address participant,
        uint256 totalWithdrawn,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(WITHDRAWAL_TYPEHASH, channelId, participant, totalWithdrawn, deadline));
    }

    /// @dev By both signers.
    function cooperativeClose(
        bytes32 channelId,
        uint256 transferred0,
        uint256 transferred1,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(COOPERATIVE_CLOSE_TYPEHASH, channelId, transferred0, transferred1, deadline));
    }

    /// @dev By the closer's signer.
    function startClose(bytes32 channelId, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(START_CLOSE_TYPEHASH, channelId, deadline));
    }

    function _proof(bytes32 typehash, bytes32 channelId, BalanceProof calldata proof) private pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    typehash,
                    channelId,
                    proof.nonce,
                    proof.transferred,
                    proof.locked,
                    proof.locksRoot,
                    proof.history
                )
            );
    }
}
