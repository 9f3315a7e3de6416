// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Channel, ChannelStatus, IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {vm} from "./support/Vm.sol";
import {PhantomToken} from "./tokens/PhantomToken.sol";

contract DepositWithPermitTest is EscrowTest {
    bytes32 private constant PERMIT_TYPEHASH = keccak256(
        "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
    );

    uint256 private constant OWNER_KEY = 0x0733;

    struct Permit {
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    address private owner;

    function setUp() public override {
        super.setUp();
        owner = vm.addr(OWNER_KEY);
        token.mint(owner, 1000);
    }

    function test_RevertWhen_TheTokenIsNative() external {
        Channel memory channel = _terms(NATIVE);
        _expect(IChannelEscrow.ChannelEscrow_NativeToken.selector);
        escrow.depositWithPermit(channel, accounts[0], 1, NEVER, 27, 0, 0);
    }

    function test_DepositsWithAFreshPermit() external {
        Channel memory channel = _terms(address(token));
        Permit memory permit = _permit(600);
        vm.prank(owner);
        escrow.depositWithPermit(channel, accounts[0], 600, NEVER, permit.v, permit.r, permit.s);
        _isStatus(channel, ChannelStatus.Open);
        _eq(token.balanceOf(owner), 400, "paid");
        _eq(token.balanceOf(address(escrow)), 600, "held");
        _eq(token.allowance(owner, address(escrow)), 0, "allowance used up");
    }

    function test_DepositsWithAPermitThatSomebodyUsedFirst() external {
        Channel memory channel = _terms(address(token));
        Permit memory permit = _permit(600);
        vm.prank(stranger);
        token.permit(owner, address(escrow), 600, NEVER, permit.v, permit.r, permit.s);
        vm.prank(owner);
        escrow.depositWithPermit(channel, accounts[0], 600, NEVER, permit.v, permit.r, permit.s);
        _eq(token.balanceOf(address(escrow)), 600, "held");
    }

    function test_RevertWhen_ThePermitIsAnothers() external {
        Channel memory channel = _terms(address(token));
        Permit memory permit = _permit(600);
        address thief = address(0x7417);
        vm.expectRevert(
            abi.encodeWithSignature(
                "ERC20InsufficientAllowance(address,uint256,uint256)",
                address(escrow),
                uint256(0),
                uint256(600)
            )
        );
        vm.prank(thief);
        escrow.depositWithPermit(channel, accounts[0], 600, NEVER, permit.v, permit.r, permit.s);
        _eq(token.balanceOf(owner), 1000, "owner untouched");
    }

    function test_RevertWhen_ThePermitWasUsedAndOnlyItsOwnerHasTheAllowance() external {
        Channel memory channel = _terms(address(token));
        Permit memory permit = _permit(600);
        token.permit(owner, address(escrow), 600, NEVER, permit.v, permit.r, permit.s);
        vm.expectRevert();
        escrow.depositWithPermit(channel, accounts[0], 600, NEVER, permit.v, permit.r, permit.s);
        _eq(token.balanceOf(owner), 1000, "owner untouched");
    }

    function test_RevertWhen_TheTokenOnlyPretends() external {
        Channel memory channel = _terms(address(new PhantomToken()));
        _expect(IChannelEscrow.ChannelEscrow_DepositNotArrived.selector, 0, 600);
        escrow.depositWithPermit(channel, accounts[0], 600, NEVER, 27, 0, 0);
    }

    function test_RevertWhen_TheChannelIsNotOpen() external {
        Channel memory channel = _closing(address(token));
        _expectWrongStatus(channel, ChannelStatus.Closing);
        escrow.depositWithPermit(channel, accounts[0], 600, NEVER, 27, 0, 0);
    }

    function _permit(uint256 amount) private view returns (Permit memory permit) {
        bytes32 structHash = keccak256(
            abi.encode(PERMIT_TYPEHASH, owner, address(escrow), amount, token.nonces(owner), NEVER)
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
        (permit.v, permit.r, permit.s) = vm.sign(OWNER_KEY, digest);
    }
}
