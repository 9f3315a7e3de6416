// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {BalanceProof, Channel, ChannelStatus, IChannelEscrow, Lock} from "../../interfaces/IChannelEscrow.sol";
import {TestToken} from "../TestToken.sol";
import {Messages} from "./Messages.sol";
import {vm} from "./Vm.sol";

interface IMulticall {
    function multicall(bytes[] calldata data) external returns (bytes[] memory results);
}

/// @title What every test of the escrow starts from
/// @dev Deploys the built artifact, so that the tests run what ships. Two parties, each with an account that owns money and
/// another key that signs.
abstract contract EscrowTest {
    error Unequal(string what, uint256 actual, uint256 expected);
    error NotTrue(string what);

    address internal constant NATIVE = address(0);
    uint256 internal constant START = 1_800_000_000;
    uint32 internal constant PERIOD = 1 hours;
    uint256 internal constant NEVER = type(uint256).max;
    uint256 internal constant FUNDS = 1e30;

    IChannelEscrow internal escrow;
    TestToken internal token;
    uint256[2] internal keys;
    uint256[2] internal signerKeys;
    address[2] internal accounts;
    address[2] internal signers;
    address internal stranger = address(0x57A7);
    uint64 internal lastSalt;

    /// @dev The chain's time here, rather than `block.timestamp`, which the optimizer may read once and keep.
    uint256 internal time;

    function setUp() public virtual {
        _warp(START);
        escrow = IChannelEscrow(_deploy("contracts/ChannelEscrow.sol:ChannelEscrow"));
        token = new TestToken();
        (keys[0], keys[1]) = (0xA11CE, 0xB0B);
        if (vm.addr(keys[0]) > vm.addr(keys[1])) {
            (keys[0], keys[1]) = (keys[1], keys[0]);
        }
        (signerKeys[0], signerKeys[1]) = (0x51610, 0x51611);
        for (uint256 i = 0; i < 2; ++i) {
            accounts[i] = vm.addr(keys[i]);
            signers[i] = vm.addr(signerKeys[i]);
            _fund(accounts[i]);
        }
        _fund(stranger);
    }

    // ------------------------------------------------------------------------------------------------ the world

    function _deploy(string memory artifact) internal returns (address deployed) {
        bytes memory code = vm.getCode(artifact);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        _true(deployed != address(0), "deployed");
    }

    function _fund(address account) internal {
        vm.deal(account, FUNDS);
        token.mint(account, FUNDS);
        vm.prank(account);
        token.approve(address(escrow), FUNDS);
    }

    function _warp(uint256 to) internal {
        time = to;
        vm.warp(to);
    }

    function _balance(address tokenAddress, address account) internal view returns (uint256) {
        return tokenAddress == NATIVE ? account.balance : IERC20(tokenAddress).balanceOf(account);
    }

    // ------------------------------------------------------------------------------------------------- channels

    /// @dev Terms of a channel that did not exist before.
    function _terms(address tokenAddress) internal returns (Channel memory) {
        return Channel(accounts[0], accounts[1], signers[0], signers[1], tokenAddress, PERIOD, ++lastSalt);
    }

    function _id(Channel memory channel) internal view returns (bytes32) {
        return Messages.channelId(block.chainid, address(escrow), channel);
    }

    function _participant(Channel memory channel, uint256 side) internal pure returns (address) {
        return side == 0 ? channel.participant0 : channel.participant1;
    }

    function _deposit(Channel memory channel, uint256 side, uint256 amount) internal {
        address participant = _participant(channel, side);
        vm.prank(participant);
        escrow.deposit{value: channel.token == NATIVE ? amount : 0}(channel, participant, amount);
    }

    function _open(address tokenAddress, uint256 amount0, uint256 amount1) internal returns (Channel memory channel) {
        channel = _terms(tokenAddress);
        if (amount0 != 0) {
            _deposit(channel, 0, amount0);
        }
        if (amount1 != 0) {
            _deposit(channel, 1, amount1);
        }
    }

    function _openToken() internal returns (Channel memory) {
        return _open(address(token), 1000, 500);
    }

    /// @dev A close that participant 0 started without a proof.
    function _closing(address tokenAddress) internal returns (Channel memory channel) {
        channel = _open(tokenAddress, 1000, 500);
        _startClose(channel, 0);
    }

    function _settled(address tokenAddress) internal returns (Channel memory channel) {
        channel = _closing(tokenAddress);
        _warp(time + PERIOD);
        escrow.settle(channel);
    }

    function _status(Channel memory channel) internal view returns (ChannelStatus status) {
        (status, , , , , ) = escrow.channelState(_id(channel));
    }

    function _deadline(Channel memory channel) internal view returns (uint256 deadline) {
        (, , , , , deadline) = escrow.channelState(_id(channel));
    }

    // ------------------------------------------------------------------------------------------------- messages

    function _sign(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        bytes32 domain = Messages.domainSeparator(block.chainid, address(escrow));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, Messages.digest(domain, structHash));
        return abi.encodePacked(r, s, v);
    }

    function _proof(uint64 nonce, uint256 transferred) internal pure returns (BalanceProof memory) {
        return _proof(nonce, transferred, new Lock[](0));
    }

    function _proof(
        uint64 nonce,
        uint256 transferred,
        Lock[] memory locks
    ) internal pure returns (BalanceProof memory) {
        return
            BalanceProof(
                nonce,
                transferred,
                Messages.lockedSum(locks),
                Messages.locksRoot(locks),
                keccak256(abi.encode("history", nonce))
            );
    }

    function _none() internal pure returns (BalanceProof memory proof) {}

    function _noLocks() internal pure returns (Lock[] memory locks) {}

    /// @dev By the signer of the side that pays.
    function _signProof(
        Channel memory channel,
        uint256 payer,
        BalanceProof memory proof
    ) internal view returns (bytes memory) {
        return _sign(signerKeys[payer], Messages.proof(_id(channel), proof));
    }

    /// @dev By the signer of the side that is paid.
    function _endorse(
        Channel memory channel,
        uint256 payer,
        BalanceProof memory proof
    ) internal view returns (bytes memory) {
        return _sign(signerKeys[1 - payer], Messages.endorsement(_id(channel), proof));
    }

    function _preimage(uint256 id) internal pure returns (bytes32) {
        return keccak256(abi.encode("preimage", id));
    }

    function _lock(uint64 id, uint128 amount, uint256 expiry) internal pure returns (Lock memory) {
        return Lock(id, amount, uint64(expiry), sha256(abi.encodePacked(_preimage(id))));
    }

    /// @dev Locks 1 to `count` of 10, 20, 30, ... with one expiry.
    function _locks(uint256 count, uint256 expiry) internal pure returns (Lock[] memory locks) {
        locks = new Lock[](count);
        for (uint64 i = 1; i <= count; ++i) {
            locks[i - 1] = _lock(i, 10 * i, expiry);
        }
    }

    // ---------------------------------------------------------------------------------------------------- calls

    function _startClose(Channel memory channel, uint256 side) internal {
        address closer = _participant(channel, side);
        vm.prank(closer);
        escrow.startClose(channel, closer, 0, "", _none(), "", "", _noLocks());
    }

    /// @dev The payee records a proof of the payer's direction.
    function _record(Channel memory channel, uint256 payer, BalanceProof memory proof, Lock[] memory locks) internal {
        bytes memory signature = _signProof(channel, payer, proof);
        vm.prank(_participant(channel, 1 - payer));
        escrow.challenge(channel, _participant(channel, payer), proof, signature, "", locks);
    }

    function _record(Channel memory channel, uint256 payer, BalanceProof memory proof) internal {
        _record(channel, payer, proof, _noLocks());
    }

    function _claim(Channel memory channel, uint256 payer, Lock[] memory locks, uint256 index) internal {
        (uint256[] memory indices, bytes32[] memory preimages) = _one(index, _preimage(locks[index].id));
        escrow.claim(channel, _participant(channel, payer), locks, indices, preimages);
    }

    function _one(
        uint256 index,
        bytes32 preimage
    ) internal pure returns (uint256[] memory indices, bytes32[] memory preimages) {
        indices = new uint256[](1);
        preimages = new bytes32[](1);
        (indices[0], preimages[0]) = (index, preimage);
    }

    function _withdraw(Channel memory channel, uint256 side, uint256 total) internal {
        address participant = _participant(channel, side);
        bytes32 message = Messages.withdrawal(_id(channel), participant, total, time);
        bytes memory signature0 = _sign(signerKeys[0], message);
        bytes memory signature1 = _sign(signerKeys[1], message);
        escrow.withdraw(channel, participant, total, time, signature0, signature1);
    }

    function _closeCooperatively(Channel memory channel, uint256 transferred0, uint256 transferred1) internal {
        bytes32 message = Messages.cooperativeClose(_id(channel), transferred0, transferred1, time);
        bytes memory signature0 = _sign(signerKeys[0], message);
        bytes memory signature1 = _sign(signerKeys[1], message);
        escrow.closeCooperatively(channel, transferred0, transferred1, time, signature0, signature1);
    }

    // ----------------------------------------------------------------------------------------------- assertions

    function _eq(uint256 actual, uint256 expected, string memory what) internal pure {
        if (actual != expected) {
            revert Unequal(what, actual, expected);
        }
    }

    function _eq(bytes32 actual, bytes32 expected, string memory what) internal pure {
        _eq(uint256(actual), uint256(expected), what);
    }

    function _eq(address actual, address expected, string memory what) internal pure {
        _eq(uint160(actual), uint160(expected), what);
    }

    function _true(bool condition, string memory what) internal pure {
        if (!condition) {
            revert NotTrue(what);
        }
    }

    function _isStatus(Channel memory channel, ChannelStatus expected) internal view {
        _eq(uint256(_status(channel)), uint256(expected), "status");
    }

    function _expect(bytes4 selector) internal {
        vm.expectRevert(abi.encodeWithSelector(selector));
    }

    function _expect(bytes4 selector, address a) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, a));
    }

    function _expect(bytes4 selector, uint256 a, uint256 b) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, a, b));
    }

    function _expectWrongStatus(Channel memory channel, ChannelStatus status) internal {
        bytes32 id = _id(channel);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.ChannelEscrow_WrongStatus.selector, id, status));
    }
}
