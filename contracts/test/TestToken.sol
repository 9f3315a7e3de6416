// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @title Test token
/// @notice For tests and demos only: anyone may mint any amount. Six decimals, EIP-2612 permits, EIP-3009
/// authorizations. EIP-712 domain: name `Rivulet Test Token`, version `1`.
contract TestToken is ERC20Permit, ERC3009 {
    constructor() ERC20("Rivulet Test Token", "RTT") ERC20Permit("Rivulet Test Token") {}

    /// @notice Creates `amount` base units for `to`.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Base units per token: 10^6.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
