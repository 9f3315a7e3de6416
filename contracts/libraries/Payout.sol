// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IChannelEscrow} from "../interfaces/IChannelEscrow.sol";

/// @title Paying a receiver that may be hostile
/// @dev A receiver gets a bounded allowance of gas, so it cannot burn the other side's; the whole allowance or a revert,
/// so a caller cannot starve it into a failure; and at most 32 bytes of what it returns are read, so it cannot
/// make the escrow pay for memory.
library Payout {
    /// @dev For contract wallets behind a proxy that log what they receive.
    uint256 internal constant NATIVE_GAS = 50_000;

    /// @dev Several times what a token behind a proxy with a block list takes.
    uint256 internal constant TOKEN_GAS = 250_000;

    /// @dev What a call itself may cost before its allowance: cold account 2,600, value 9,000, new account 25,000; rounded up.
    uint256 private constant CALL_OVERHEAD = 40_000;

    /// @notice Transfers with a bounded allowance; false if the transfer failed.
    /// @dev Reverts if the transaction cannot supply the allowance. At most 63/64 of what is left can be passed on
    /// (EIP-150).
    function tryTransfer(address token, address to, uint256 amount) internal returns (bool) {
        uint256 allowance = token == address(0) ? NATIVE_GAS : TOKEN_GAS;
        uint256 required = (allowance * 64) / 63 + CALL_OVERHEAD;
        uint256 available = gasleft();
        if (available < required) {
            revert IChannelEscrow.ChannelEscrow_InsufficientGas(available, required);
        }
        return transfer(token, to, amount, allowance);
    }

    /// @notice Transfers native coin or a token with at most `gasLimit`; false if the transfer failed.
    /// @dev A token's transfer succeeds if it returns `true`, or nothing from an address that has code.
    function transfer(address token, address to, uint256 amount, uint256 gasLimit) internal returns (bool success) {
        if (token == address(0)) {
            assembly ("memory-safe") {
                success := call(gasLimit, to, amount, 0, 0, 0, 0)
            }
            return success;
        }
        bytes memory data = abi.encodeCall(IERC20.transfer, (to, amount));
        uint256 size;
        uint256 word;
        assembly ("memory-safe") {
            success := call(gasLimit, token, 0, add(data, 0x20), mload(data), 0, 0x20)
            size := returndatasize()
            word := mload(0)
        }
        if (success) {
            success = size == 0 ? token.code.length != 0 : size >= 32 && word == 1;
        }
    }
}
