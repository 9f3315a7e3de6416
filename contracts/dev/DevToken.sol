// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A plain ERC-20 token, for local development networks
/// @notice Worth nothing: anyone may mint any amount. 18 decimals, neither permits nor authorizations.
contract DevToken is ERC20 {
    constructor() ERC20("Rivulet Dev Token", "RDT") {}

    /// @notice Creates base units for an account.
    /// @param to Who gets them.
    /// @param amount How many.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
