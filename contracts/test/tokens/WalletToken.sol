// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {TestToken} from "../TestToken.sol";

/// @title Takes EIP-3009 authorizations of contract wallets too, as bytes
contract WalletToken is TestToken {
    error WrongCaller(address caller);

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce))
        );
        if (!SignatureChecker.isValidSignatureNow(from, digest, signature)) {
            revert ERC3009InvalidSignature();
        }
        if (to != msg.sender) {
            revert WrongCaller(msg.sender);
        }
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }
}
