// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

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

    function act(Mood mood) internal view {
        if (mood == Mood.Reverts) {
            revert Refused();
        }
        uint256 blob = _blobSize();
        if (mood == Mood.RevertsWithBlob) {
            assembly ("memory-safe") {
                revert(0, blob)
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
                return(0, blob)
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
                mstore(0, 0)
                return(0, 0x1f)
            }
        }
    }

    /// @dev As many bytes as the gas at hand nearly suffices for: copying them costs the caller as much again. Memory of w
    /// words costs 3w + w*w/512.
    function _blobSize() private view returns (uint256) {
        return ((Math.sqrt(512 * gasleft()) * 8) / 10) * 32;
    }
}
