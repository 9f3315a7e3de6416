// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The cheatcodes that these tests use
interface Vm {
    function addr(uint256 key) external pure returns (address);

    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);

    function getCode(string calldata artifact) external view returns (bytes memory);

    function readFile(string calldata path) external view returns (string memory);

    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);

    function parseJsonAddress(string calldata json, string calldata key) external pure returns (address);

    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);

    function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);

    function keyExistsJson(string calldata json, string calldata key) external view returns (bool);

    function warp(uint256 time) external;

    function chainId(uint256 id) external;

    function deal(address account, uint256 balance) external;

    function etch(address account, bytes calldata code) external;

    function load(address account, bytes32 slot) external view returns (bytes32);

    function record() external;

    function accesses(address account) external returns (bytes32[] memory reads, bytes32[] memory writes);

    function prank(address caller) external;

    function startPrank(address caller) external;

    function stopPrank() external;

    function expectRevert() external;

    function expectRevert(bytes4 selector) external;

    function expectRevert(bytes calldata data) external;

    function expectEmit(address emitter) external;

    function assume(bool condition) external pure;
}

Vm constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
