// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Hostility} from "./Hostility.sol";

/// @title A receiver of native coin in any mood, that may call back
/// @dev Keeps its notes in transient storage, which its allowance of gas suffices for.
contract Receiver {
    Hostility.Mood public mood;
    address public callee;
    bytes public call;
    uint256 public transient attempts;
    uint256 public transient successes;
    bytes32 public transient lastReason;

    receive() external payable {
        if (callee != address(0)) {
            ++attempts;
            (bool success, bytes memory result) = callee.call(call);
            successes += success ? 1 : 0;
            lastReason = bytes32(result);
        }
        Hostility.act(mood);
    }

    function setMood(Hostility.Mood mood_) external {
        mood = mood_;
    }

    function setCall(address callee_, bytes calldata call_) external {
        callee = callee_;
        call = call_;
    }
}

/// @title A contract wallet: its owner's key signs for it (ERC-1271)
contract Wallet {
    address public immutable owner;

    constructor(address owner_) {
        owner = owner_;
    }

    receive() external payable {}

    /// @dev The signature is the owner's with one byte in front, so that it could never pass for the owner's own.
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        if (signature.length != 66) {
            return 0xffffffff;
        }
        (address recovered, , ) = ECDSA.tryRecoverCalldata(digest, signature[1:]);
        return recovered == owner ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    function execute(address target, bytes calldata data) external {
        (bool success, bytes memory result) = target.call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
    }
}

/// @title Code for an EIP-7702 account: takes coin, approves no signature
contract Delegate {
    receive() external payable {}

    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }
}

/// @title A receiver that needs nearly all the gas it is entitled to, and notices if it gets less
contract HungryReceiver {
    uint256 public immutable appetite;

    constructor(uint256 appetite_) {
        appetite = appetite_;
    }

    receive() external payable {
        uint256 start = gasleft();
        while (start - gasleft() < appetite) {}
    }
}
