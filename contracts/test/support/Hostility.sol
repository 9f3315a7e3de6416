// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The ways in which a called contract can hurt its caller
library Hostility {
    error Refused();

    enum Mood {
        Kind,
        Reverts,
        RevertsWithBlob,
        BurnsGas,
        ReturnsBlob,
        ReturnsFalse,
        ReturnsTwo,
        ReturnsShort
    }

    /// @dev As large as a callee can afford within its allowance, and ruinous to copy for a caller without much more.
    uint256 private constant BLOB = 60_000;

    function act(Mood mood) internal view {
        if (mood == Mood.Reverts) {
            revert Refused();
        }
        if (mood == Mood.RevertsWithBlob) {
            assembly ("memory-safe") {
                revert(0, BLOB)
            }
        }
        if (mood == Mood.BurnsGas) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        if (mood == Mood.ReturnsBlob) {
            assembly ("memory-safe") {
                mstore(0, 1)
                return(0, BLOB)
            }
        }
        if (mood == Mood.ReturnsFalse) {
            assembly ("memory-safe") {
                mstore(0, 0)
                return(0, 0x20)
            }
        }
        if (mood == Mood.ReturnsTwo) {
            assembly ("memory-safe") {
                mstore(0, 2)
                return(0, 0x20)
            }
        }
        if (mood == Mood.ReturnsShort) {
            assembly ("memory-safe") {
                mstore(0, 1)
                return(0x01, 0x1f)
            }
        }
    }
}
