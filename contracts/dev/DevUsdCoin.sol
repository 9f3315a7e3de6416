// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @title A token like USDC, for local development networks
/// @notice Worth nothing: anyone may mint any amount. Six decimals, EIP-2612 permits, EIP-3009 authorizations. EIP-712
/// domain: name `USD Coin (dev)`, version `1`.
contract DevUsdCoin is ERC20Permit, ERC3009 {
    constructor() ERC20("USD Coin (dev)", "USDC") ERC20Permit("USD Coin (dev)") {}

    /// @notice Creates base units for an account.
    /// @param to Who gets them.
    /// @param amount How many.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Decimals of one token.
    /// @return 6: a token is 10^6 base units.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
