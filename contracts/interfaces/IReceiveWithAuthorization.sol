// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The part of EIP-3009 that the escrow calls
/// @dev The first form is the standard's; the second is what tokens offer for signatures of contract wallets.
interface IReceiveWithAuthorization {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}
