// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Who gets what when a channel ends
library Settlement {
    /// @dev Beyond any total of a channel (below 2^105), so that a net transfer cut to it clamps just as the exact one,
    /// and far below what int256 sums can overflow at.
    uint256 private constant NET_CAP = 2 ** 128;

    /// @notice Splits what a channel holds.
    /// @dev `share0 = clamp(deposit0 - withdrawn0 + transferred1 - transferred0, 0, total)`. A side may have withdrawn
    /// more than it deposited, because it was paid; both together never withdrew more than both deposited.
    /// @param deposit0 Cumulative deposit of participant 0, at most 104 bits, and so on.
    /// @param transferred0 All that participant 0 paid, of any size: only the difference of the two matters.
    function shares(
        uint256 deposit0,
        uint256 deposit1,
        uint256 withdrawn0,
        uint256 withdrawn1,
        uint256 transferred0,
        uint256 transferred1
    ) internal pure returns (uint256 share0, uint256 share1) {
        uint256 total = deposit0 + deposit1 - withdrawn0 - withdrawn1;
        uint256 plus = deposit0;
        uint256 minus = withdrawn0;
        if (transferred1 > transferred0) {
            plus += _cap(transferred1 - transferred0);
        } else {
            minus += _cap(transferred0 - transferred1);
        }
        if (plus > minus) {
            share0 = plus - minus;
        }
        if (share0 > total) {
            share0 = total;
        }
        share1 = total - share0;
    }

    function _cap(uint256 net) private pure returns (uint256) {
        return net < NET_CAP ? net : NET_CAP;
    }
}
