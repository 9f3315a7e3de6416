// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BalanceProof, Channel, ChannelStatus, IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {Delegate, Wallet} from "./support/Accounts.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";

/// @title Property 8: no signature verifies under another chain, contract, channel, direction or type, nor in another form
contract SignaturesTest is EscrowTest {
    uint256 private constant CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    /// @dev Everything a signer may sign, over the same fields wherever types share them.
    function _all(Channel memory channel, BalanceProof memory proof) private view returns (bytes32[6] memory) {
        bytes32 id = _id(channel);
        return
            [
                Messages.proof(id, proof),
                Messages.endorsement(id, proof),
                Messages.withdrawal(id, accounts[0], 100, time),
                Messages.withdrawal(id, accounts[1], 100, time),
                Messages.cooperativeClose(id, 100, 100, time),
                Messages.startClose(id, time)
            ];
    }

    /// @dev Tries one signature of each side wherever the contract takes one; the right one must be the only one to pass.
    function _accepts(
        Channel memory channel,
        BalanceProof memory proof,
        uint256 place,
        bytes memory s0,
        bytes memory s1
    ) private returns (bool success) {
        bytes memory call;
        address caller = stranger;
        if (place == 0) {
            call = abi.encodeCall(escrow.challenge, (channel, accounts[0], proof, s0, "", _noLocks()));
            caller = accounts[1];
        } else if (place == 1) {
            bytes memory signature = _signProof(channel, 1, proof);
            call = abi.encodeCall(escrow.challenge, (channel, accounts[1], proof, signature, s0, _noLocks()));
        } else if (place == 2 || place == 3) {
            call = abi.encodeCall(escrow.withdraw, (channel, accounts[place - 2], 100, time, s0, s1));
        } else if (place == 4) {
            call = abi.encodeCall(escrow.closeCooperatively, (channel, 100, 100, time, s0, s1));
        } else {
            call = abi.encodeCall(escrow.startClose, (channel, accounts[0], time, s0, _none(), "", "", _noLocks()));
        }
        vm.prank(caller);
        (success, ) = address(escrow).call(call);
    }

    function _channelFor(uint256 place) private returns (Channel memory) {
        return place < 2 ? _closing(address(token)) : _openToken();
    }

    function testFuzz_EveryTypeVerifiesInItsOwnPlaceOnly(uint8 place_, uint8 type_) external {
        (uint256 place, uint256 kind) = (place_ % 6, type_ % 6);
        Channel memory channel = _channelFor(place);
        BalanceProof memory proof = _proof(3, 40);
        bytes32 message = _all(channel, proof)[kind];
        bytes memory s0 = _sign(signerKeys[0], message);
        bytes memory s1 = _sign(signerKeys[1], message);
        _eq(_accepts(channel, proof, place, s0, s1) ? 1 : 0, place == kind ? 1 : 0, "accepted");
    }

    function testFuzz_NothingVerifiesUnderAnotherChainContractChannelOrKey(uint8 place_, uint8 twist_) external {
        (uint256 place, uint256 twist) = (place_ % 6, twist_ % 5);
        Channel memory channel = _channelFor(place);
        BalanceProof memory proof = _proof(3, 40);
        (uint256 chainId, address contractAddress) = (block.chainid, address(escrow));
        (uint256 key0, uint256 key1) = (signerKeys[0], signerKeys[1]);
        bytes32 message = _all(channel, proof)[place];
        if (twist == 0) {
            ++chainId;
        } else if (twist == 1) {
            contractAddress = _deploy("contracts/ChannelEscrow.sol:ChannelEscrow");
        } else if (twist == 2) {
            message = _all(_terms(address(token)), proof)[place];
        } else if (twist == 3) {
            (key0, key1) = (key1, key0);
        } else {
            (key0, key1) = (keys[0], keys[1]);
        }
        bytes32 digest = Messages.digest(Messages.domainSeparator(chainId, contractAddress), message);
        bool accepted = _accepts(channel, proof, place, _raw(key0, digest), _raw(key1, digest));
        _true(!accepted, "refused");
    }

    function test_TheSameTermsOnAnotherChainAreAnotherChannel() external {
        Channel memory channel = _openToken();
        bytes32 id = escrow.channelIdOf(channel);
        bytes32 domain = escrow.domainSeparator();
        vm.chainId(block.chainid + 1);
        _true(escrow.channelIdOf(channel) != id, "id");
        _true(escrow.domainSeparator() != domain, "domain");
        _isStatus(channel, ChannelStatus.None);
    }

    function testFuzz_OnlyTheCanonicalFormVerifies(uint8 place_, uint8 form_) external {
        (uint256 place, uint256 form) = (place_ % 6, form_ % 5);
        Channel memory channel = _channelFor(place);
        BalanceProof memory proof = _proof(3, 40);
        bytes32 message = _all(channel, proof)[place];
        bytes memory s0 = _twist(signerKeys[0], message, form);
        bytes memory s1 = _sign(signerKeys[1], message);
        _true(!_accepts(channel, proof, place, s0, s1), "refused");
        _true(_accepts(channel, proof, place, _sign(signerKeys[0], message), s1), "the canonical one is accepted");
    }

    function _twist(uint256 key, bytes32 structHash, uint256 form) private view returns (bytes memory) {
        bytes32 domain = Messages.domainSeparator(block.chainid, address(escrow));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, Messages.digest(domain, structHash));
        if (form == 0) {
            return abi.encodePacked(r, bytes32(CURVE_ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        }
        if (form == 1) {
            return abi.encodePacked(r, uint256(s) | (uint256(v - 27) << 255));
        }
        if (form == 2) {
            return abi.encodePacked(r, s, v - 27);
        }
        if (form == 3) {
            return abi.encodePacked(r, s, v, uint8(0));
        }
        return new bytes(65);
    }

    function _raw(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    // ---------------------------------------------------------------------------------- contracts and EIP-7702

    function test_AnEip7702AccountStillSignsWithItsKey() external {
        Channel memory channel = _terms(address(token));
        (channel.signer0, channel.signer1) = (address(0), address(0));
        _deposit(channel, 0, 1000);
        vm.etch(accounts[0], abi.encodePacked(hex"ef0100", address(new Delegate())));
        bytes32 message = Messages.withdrawal(_id(channel), accounts[0], 100, time);
        escrow.withdraw(channel, accounts[0], 100, time, _sign(keys[0], message), _sign(keys[1], message));

        BalanceProof memory proof = _proof(1, 50);
        bytes memory signature = _sign(keys[0], Messages.proof(_id(channel), proof));
        vm.prank(accounts[1]);
        escrow.startClose(channel, accounts[1], 0, "", proof, signature, "", _noLocks());
        _warp(_deadline(channel));
        escrow.settle(channel);
        _eq(token.balanceOf(accounts[1]), FUNDS + 50, "paid by its proof");
    }

    function test_AContractWalletWithdrawsAndClosesCooperatively() external {
        (Channel memory channel, uint256 side) = _walletChannel(false);
        bytes memory s0 = _walletSign(channel, side, 0, Messages.withdrawal(_id(channel), accounts[1], 100, time));
        bytes memory s1 = _walletSign(channel, side, 1, Messages.withdrawal(_id(channel), accounts[1], 100, time));
        escrow.withdraw(channel, accounts[1], 100, time, s0, s1);
        bytes32 message = Messages.cooperativeClose(_id(channel), 0, 0, time);
        s0 = _walletSign(channel, side, 0, message);
        s1 = _walletSign(channel, side, 1, message);
        escrow.closeCooperatively(channel, 0, 0, time, s0, s1);
        _eq(token.balanceOf(_participant(channel, side)), 900, "paid");
    }

    function test_AContractWalletsProofsDoNotVerify() external {
        (Channel memory channel, uint256 side) = _walletChannel(false);
        BalanceProof memory proof = _proof(1, 50);
        bytes memory signature = _walletSign(channel, side, side, Messages.proof(_id(channel), proof));
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, _participant(channel, side));
        vm.prank(accounts[1]);
        escrow.startClose(channel, accounts[1], 0, "", proof, signature, "", _noLocks());
    }

    function test_AContractWalletWithASignerDisputesLikeAnyOther() external {
        (Channel memory channel, uint256 side) = _walletChannel(true);
        BalanceProof memory proof = _proof(1, 50);
        bytes memory signature = _sign(signerKeys[0], Messages.proof(_id(channel), proof));
        vm.prank(accounts[1]);
        escrow.startClose(channel, accounts[1], 0, "", proof, signature, "", _noLocks());
        _warp(_deadline(channel));
        escrow.settle(channel);
        _eq(token.balanceOf(_participant(channel, side)), 950, "paid");
    }

    function test_AContractWalletStartsItsOwnClose() external {
        (Channel memory channel, uint256 side) = _walletChannel(false);
        Wallet wallet = Wallet(payable(_participant(channel, side)));
        wallet.execute(
            address(escrow),
            abi.encodeCall(escrow.startClose, (channel, address(wallet), 0, "", _none(), "", "", _noLocks()))
        );
        _isStatus(channel, ChannelStatus.Closing);
    }

    function test_AContractWalletsSignatureByAnotherIsRefused() external {
        (Channel memory channel, uint256 side) = _walletChannel(false);
        bytes32 message = Messages.withdrawal(_id(channel), accounts[1], 100, time);
        bytes memory right = _walletSign(channel, side, 1 - side, message);
        bytes memory wrong = bytes.concat(hex"00", _sign(0xBAD, message));
        (bytes memory s0, bytes memory s1) = side == 0 ? (wrong, right) : (right, wrong);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, _participant(channel, side));
        escrow.withdraw(channel, accounts[1], 100, time, s0, s1);
    }

    /// @dev A wallet owned by key 0 with 1000, against account 1; with or without a signer of its own.
    function _walletChannel(bool withSigner) private returns (Channel memory channel, uint256 side) {
        address wallet = address(new Wallet(accounts[0]));
        side = wallet < accounts[1] ? 0 : 1;
        channel = _terms(address(token));
        (channel.participant0, channel.participant1) = side == 0 ? (wallet, accounts[1]) : (accounts[1], wallet);
        address signer = withSigner ? signers[0] : address(0);
        (channel.signer0, channel.signer1) = side == 0 ? (signer, signers[1]) : (signers[1], signer);
        vm.prank(stranger);
        escrow.deposit(channel, wallet, 1000);
    }

    function _walletSign(
        Channel memory,
        uint256 walletSide,
        uint256 side,
        bytes32 message
    ) private view returns (bytes memory) {
        return side == walletSide ? bytes.concat(hex"00", _sign(keys[0], message)) : _sign(signerKeys[1], message);
    }
}
