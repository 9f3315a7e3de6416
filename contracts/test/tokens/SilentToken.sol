// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Returns nothing from transfers, as some of the oldest and largest tokens do
contract SilentToken {
    error Short();

    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        if (allowance[from][msg.sender] < amount) {
            revert Short();
        }
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        if (balanceOf[from] < amount) {
            revert Short();
        }
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}
