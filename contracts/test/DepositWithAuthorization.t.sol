// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Channel, ChannelStatus, IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {Wallet} from "./support/Accounts.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {vm} from "./support/Vm.sol";
import {PhantomToken} from "./tokens/PhantomToken.sol";
import {WalletToken} from "./tokens/WalletToken.sol";

contract DepositWithAuthorizationTest is EscrowTest {
    bytes32 private constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    uint256 private constant OWNER_KEY = 0x0733;
    bytes32 private constant SALT = bytes32(uint256(77));
    uint256 private constant UNTIL = 2 ** 40;

    address private owner;

    function setUp() public override {
        super.setUp();
        owner = vm.addr(OWNER_KEY);
        token.mint(owner, 1000);
    }

    function test_RevertWhen_TheTokenIsNative() external {
        Channel memory channel = _terms(NATIVE);
        _expect(IChannelEscrow.ChannelEscrow_NativeToken.selector);
        escrow.depositWithAuthorization(channel, accounts[0], 1, owner, SALT, 0, UNTIL, "");
    }

    function test_DepositsForAnOwnerWithoutGas() external {
        Channel memory channel = _terms(address(token));
        bytes memory signature = _authorize(channel, accounts[1], 600, SALT);
        vm.prank(stranger);
        escrow.depositWithAuthorization(channel, accounts[1], 600, owner, SALT, 0, UNTIL, signature);
        (, , uint256 deposit1, , , ) = escrow.channelState(_id(channel));
        _eq(deposit1, 600, "credited");
        _eq(token.balanceOf(owner), 400, "paid by the owner");
        _eq(token.balanceOf(stranger), FUNDS, "not by the caller");
    }

    function test_TopsUpWithAFreshSalt() external {
        Channel memory channel = _terms(address(token));
        bytes memory first = _authorize(channel, accounts[1], 100, SALT);
        bytes memory second = _authorize(channel, accounts[1], 100, bytes32(uint256(78)));
        escrow.depositWithAuthorization(channel, accounts[1], 100, owner, SALT, 0, UNTIL, first);
        escrow.depositWithAuthorization(channel, accounts[1], 100, owner, bytes32(uint256(78)), 0, UNTIL, second);
        (, , uint256 deposit1, , , ) = escrow.channelState(_id(channel));
        _eq(deposit1, 200, "credited");
    }

    function test_RevertWhen_AnAuthorizationIsUsedTwice() external {
        Channel memory channel = _terms(address(token));
        bytes memory signature = _authorize(channel, accounts[1], 100, SALT);
        escrow.depositWithAuthorization(channel, accounts[1], 100, owner, SALT, 0, UNTIL, signature);
        vm.expectRevert();
        escrow.depositWithAuthorization(channel, accounts[1], 100, owner, SALT, 0, UNTIL, signature);
    }

    function test_RevertWhen_TheAuthorizationIsForSomethingElse() external {
        Channel memory channel = _terms(address(token));
        Channel memory other = _terms(address(token));
        bytes memory signature = _authorize(channel, accounts[1], 100, SALT);
        bytes4 invalid = bytes4(keccak256("ERC3009InvalidSignature()"));
        vm.expectRevert(invalid);
        escrow.depositWithAuthorization(channel, accounts[0], 100, owner, SALT, 0, UNTIL, signature);
        vm.expectRevert(invalid);
        escrow.depositWithAuthorization(other, accounts[1], 100, owner, SALT, 0, UNTIL, signature);
        vm.expectRevert(invalid);
        escrow.depositWithAuthorization(channel, accounts[1], 101, owner, SALT, 0, UNTIL, signature);
        vm.expectRevert(invalid);
        escrow.depositWithAuthorization(channel, accounts[1], 100, owner, 0, 0, UNTIL, signature);
        vm.expectRevert(invalid);
        escrow.depositWithAuthorization(channel, accounts[1], 100, accounts[0], SALT, 0, UNTIL, signature);
        _eq(token.balanceOf(owner), 1000, "owner untouched");
    }

    function test_PassesAContractWalletsSignatureAsBytes() external {
        WalletToken walletToken = new WalletToken();
        Wallet wallet = new Wallet(owner);
        walletToken.mint(address(wallet), 1000);
        Channel memory channel = _terms(address(walletToken));
        bytes32 nonce = keccak256(abi.encode(_id(channel), accounts[0], SALT));
        bytes32 structHash = keccak256(
            abi.encode(RECEIVE_TYPEHASH, address(wallet), address(escrow), 600, 0, UNTIL, nonce)
        );
        bytes memory signature = bytes.concat(hex"00", _signFor(walletToken.DOMAIN_SEPARATOR(), structHash));
        escrow.depositWithAuthorization(channel, accounts[0], 600, address(wallet), SALT, 0, UNTIL, signature);
        _eq(walletToken.balanceOf(address(escrow)), 600, "held");
    }

    function test_RevertWhen_TheTokenOnlyPretends() external {
        Channel memory channel = _terms(address(new PhantomToken()));
        _expect(IChannelEscrow.ChannelEscrow_DepositNotArrived.selector, 0, 600);
        escrow.depositWithAuthorization(channel, accounts[0], 600, owner, SALT, 0, UNTIL, new bytes(65));
        _expect(IChannelEscrow.ChannelEscrow_DepositNotArrived.selector, 0, 600);
        escrow.depositWithAuthorization(channel, accounts[0], 600, owner, SALT, 0, UNTIL, "");
    }

    function test_RevertWhen_TheChannelIsNotOpen() external {
        Channel memory channel = _closing(address(token));
        bytes memory signature = _authorize(channel, accounts[0], 600, SALT);
        _expectWrongStatus(channel, ChannelStatus.Closing);
        escrow.depositWithAuthorization(channel, accounts[0], 600, owner, SALT, 0, UNTIL, signature);
    }

    function _authorize(
        Channel memory channel,
        address participant,
        uint256 amount,
        bytes32 salt
    ) private view returns (bytes memory) {
        bytes32 nonce = keccak256(abi.encode(_id(channel), participant, salt));
        bytes32 structHash = keccak256(abi.encode(RECEIVE_TYPEHASH, owner, address(escrow), amount, 0, UNTIL, nonce));
        return _signFor(token.DOMAIN_SEPARATOR(), structHash);
    }

    function _signFor(bytes32 domain, bytes32 structHash) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            OWNER_KEY,
            keccak256(abi.encodePacked(hex"1901", domain, structHash))
        );
        return abi.encodePacked(r, s, v);
    }
}
