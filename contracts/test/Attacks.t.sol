// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BalanceProof, Channel, ChannelStatus, IChannelEscrow, Lock} from "../interfaces/IChannelEscrow.sol";
import {Receiver} from "./support/Accounts.sol";
import {EscrowTest, IMulticall} from "./support/EscrowTest.sol";
import {Hostility} from "./support/Hostility.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";
import {TestToken} from "./TestToken.sol";

/// @title Approves everything that is signed with at least so many bytes
contract LavishWallet {
    receive() external payable {}

    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return this.isValidSignature.selector;
    }
}

/// @title A token whose transfers need nearly all the gas they are entitled to
contract HungryToken is TestToken {
    uint256 private constant APPETITE = 220_000;

    function transfer(address to, uint256 amount) public override returns (bool) {
        uint256 start = gasleft();
        while (start - gasleft() < APPETITE) {}
        return super.transfer(to, amount);
    }
}

/// @title A second address of the same balances, as upgraded tokens have had
contract SecondEntry {
    TestToken private immutable first;

    constructor(TestToken first_) {
        first = first_;
    }

    function balanceOf(address account) external view returns (uint256) {
        return first.balanceOf(account);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return first.transferFrom(from, to, amount);
    }
}

/// @title Concrete attacks, each of which must come to nothing
/// @dev What the rooms' other tests do not try: malformed calldata, odd addresses, memory and gas, mixed batches.
contract AttacksTest is EscrowTest {
    // ---------------------------------------------------------------------------------------- malformed calldata

    /// @dev A lock with dirt above a narrow field could hash to the recorded root and yet have another key of its own: it
    /// would then be claimed twice. Every word of the call is dirtied in turn, at both ends.
    function test_DirtyCalldataClaimsNothingTwice() external {
        Channel memory channel = _closing(address(token));
        Lock[] memory locks = _locks(2, time + PERIOD);
        _record(channel, 1, _proof(1, 0, locks), locks);
        _claim(channel, 1, locks, 0);
        (uint256[] memory indices, bytes32[] memory preimages) = _one(0, _preimage(1));
        bytes memory call = abi.encodeCall(escrow.claim, (channel, accounts[1], locks, indices, preimages));
        for (uint256 place = 4; place < call.length; place += 32) {
            _dirty(call, place, 0x80);
            (, , uint256 claimed, ) = escrow.recordedProof(_id(channel), accounts[1]);
            _eq(claimed, 10, "claimed once");
        }
    }

    /// @dev Nor does dirt make a second channel of one tuple, record anything, or pay out a second time.
    function test_DirtyCalldataMakesNoOtherChannelAndRecordsNothing() external {
        Channel memory channel = _closing(address(token));
        Lock[] memory locks = _locks(1, time + PERIOD);
        BalanceProof memory proof = _proof(1, 5, locks);
        bytes memory signature = _signProof(channel, 1, proof);
        bytes memory call = abi.encodeCall(
            escrow.challenge,
            (channel, accounts[1], proof, signature, _endorse(channel, 1, proof), locks)
        );
        // The tuple, the payer, the proof, the signatures and the lock: no word of them is free.
        for (uint256 place = 4; place < call.length; place += 32) {
            _true(!_dirty(call, place, 0x80), "refused");
        }
        (bool clean, ) = address(escrow).call(call);
        _true(clean, "the clean one is recorded");
        Channel memory fresh = _terms(NATIVE);
        call = abi.encodeCall(escrow.deposit, (fresh, accounts[0], 7));
        vm.deal(address(this), 1 ether);
        for (uint256 word = 0; word < 8; ++word) {
            call[4 + 32 * word] ^= 0x80;
            (bool success, ) = address(escrow).call{value: 7}(call);
            call[4 + 32 * word] ^= 0x80;
            _true(!success, "refused");
        }
    }

    function _dirty(bytes memory call, uint256 place, uint8 bit) private returns (bool success) {
        call[place] ^= bytes1(bit);
        (success, ) = address(escrow).call(call);
        call[place] ^= bytes1(bit);
    }

    /// @dev The same index many times, and indices far outside, in one claim.
    function testFuzz_RepeatedAndWildIndicesClaimOnce(uint256 wild) external {
        Channel memory channel = _closing(address(token));
        Lock[] memory locks = _locks(3, time + PERIOD);
        _record(channel, 1, _proof(1, 0, locks), locks);
        uint256[] memory indices = new uint256[](6);
        bytes32[] memory preimages = new bytes32[](6);
        (indices[2], indices[3], indices[4]) = (wild, type(uint256).max, 3);
        for (uint256 i = 0; i < 6; ++i) {
            preimages[i] = _preimage(1);
        }
        escrow.claim(channel, accounts[1], locks, indices, preimages);
        (, , uint256 claimed, ) = escrow.recordedProof(_id(channel), accounts[1]);
        _eq(claimed, 10, "once");
    }

    // -------------------------------------------------------------------------------------------- odd addresses

    /// @dev Accounts that answer a staticcall without being wallets: none, empty code, precompiles, the escrow, a token.
    function test_NothingButAWalletPassesForAWallet() external {
        address[8] memory odd = [
            address(0x1234567890),
            address(2),
            address(3),
            address(4),
            address(5),
            address(9),
            address(escrow),
            address(token)
        ];
        for (uint256 i = 0; i < odd.length; ++i) {
            Channel memory channel = _terms(address(token));
            channel.signer0 = odd[i];
            _deposit(channel, 0, 100);
            _deposit(channel, 1, 100);
            bytes32 message = Messages.withdrawal(_id(channel), accounts[1], 200, time);
            bytes memory s1 = _sign(signerKeys[1], message);
            _refusedWithdrawal(channel, "", s1, odd[i]);
            _refusedWithdrawal(channel, new bytes(65), s1, odd[i]);
            _refusedWithdrawal(channel, abi.encodePacked(bytes4(0x1626ba7e), new bytes(60)), s1, odd[i]);
        }
    }

    function _refusedWithdrawal(Channel memory channel, bytes memory s0, bytes memory s1, address signer) private {
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signer);
        escrow.withdraw(channel, accounts[1], 200, time, s0, s1);
    }

    /// @dev No signature at all recovers to zero, and zero is nobody's signer.
    function test_AnEmptySignatureIsNobodys() external {
        Channel memory channel = _closing(address(token));
        BalanceProof memory proof = _proof(1, 500);
        bytes[3] memory empty = [bytes(""), new bytes(64), new bytes(65)];
        for (uint256 i = 0; i < 3; ++i) {
            _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[1]);
            vm.prank(accounts[0]);
            escrow.challenge(channel, accounts[1], proof, empty[i], "", _noLocks());
        }
    }

    function test_RevertWhen_TheTokenIsTheEscrowOrAPrecompile() external {
        address[3] memory odd = [address(escrow), address(2), address(4)];
        for (uint256 i = 0; i < 3; ++i) {
            Channel memory channel = _terms(odd[i]);
            vm.expectRevert();
            escrow.deposit(channel, accounts[0], 1);
            vm.expectRevert();
            escrow.depositWithAuthorization(channel, accounts[0], 1, address(escrow), 0, 0, NEVER, new bytes(65));
            vm.expectRevert();
            escrow.depositWithPermit(channel, accounts[0], 1, NEVER, 27, 0, 0);
        }
    }

    /// @dev A participant that cannot be paid, being the escrow or the token, loses its own share and nobody else's.
    function test_TheEscrowOrTheTokenAsParticipantHarmsNobodyElse() external {
        _open(address(token), 5000, 5000);
        _open(NATIVE, 5000, 5000);
        for (uint256 i = 0; i < 4; ++i) {
            Channel memory channel = _terms(i % 2 == 0 ? address(token) : NATIVE);
            address odd = i < 2 ? address(escrow) : address(token);
            (address a, address b) = odd < accounts[1] ? (odd, accounts[1]) : (accounts[1], odd);
            (channel.participant0, channel.participant1) = (a, b);
            uint256 value = channel.token == NATIVE ? 100 : 0;
            vm.startPrank(stranger);
            escrow.deposit{value: value}(channel, a, 100);
            escrow.deposit{value: value}(channel, b, 100);
            vm.stopPrank();
            uint256 held = _balance(channel.token, address(escrow));
            uint256 before = _balance(channel.token, accounts[1]);
            _closeCooperatively(channel, 0, 0);
            _eq(_balance(channel.token, accounts[1]), before + 100, "the other is paid");
            _true(_balance(channel.token, address(escrow)) >= held - 200, "no more left than was the channel's");
            _true(_balance(channel.token, address(escrow)) >= 10_000, "others' money is there");
        }
    }

    /// @dev One balance behind two addresses: a deposit counts for the channel it was made into and for no other.
    function test_ATokenOfTwoAddressesIsCreditedOnce() external {
        SecondEntry second = new SecondEntry(token);
        vm.prank(accounts[0]);
        token.approve(address(second), FUNDS);
        _open(address(token), 1000, 0);
        Channel memory channel = _open(address(second), 300, 0);
        _eq(token.balanceOf(address(escrow)), 1300, "held");
        _closeCooperatively(channel, 0, 0);
        // The second address cannot transfer: what is owed there waits, and what is owed at the first stays whole.
        _eq(escrow.payoutOf(address(second), accounts[0]), 300, "waits");
        _eq(token.balanceOf(address(escrow)), 1300, "held still");
    }

    // ---------------------------------------------------------------------------------------------- who may what

    /// @dev The payer, its signer, and anyone with endorsements that are not the payee's for this very proof.
    function testFuzz_NobodyElseChoosesAProof(uint8 who, uint8 what, bool start) external {
        Channel memory channel = start ? _openToken() : _closing(address(token));
        address[3] memory callers = [stranger, accounts[1], signers[1]];
        bytes memory call = _uninvited(channel, _proof(9, 1), what % 6, start);
        vm.prank(callers[who % 3]);
        (bool success, bytes memory reason) = address(escrow).call(call);
        _true(!success && bytes4(reason) == IChannelEscrow.ChannelEscrow_NotEndorsed.selector, "not endorsed");
    }

    function _uninvited(
        Channel memory channel,
        BalanceProof memory proof,
        uint256 what,
        bool start
    ) private view returns (bytes memory) {
        bytes memory signature = _signProof(channel, 1, proof);
        bytes memory wrong = _wrongEndorsement(channel, proof, what);
        if (!start) {
            return abi.encodeCall(escrow.challenge, (channel, accounts[1], proof, signature, wrong, _noLocks()));
        }
        bytes memory close = _sign(signerKeys[0], Messages.startClose(_id(channel), time));
        return
            abi.encodeCall(escrow.startClose, (channel, accounts[0], time, close, proof, signature, wrong, _noLocks()));
    }

    function _wrongEndorsement(
        Channel memory channel,
        BalanceProof memory proof,
        uint256 what
    ) private view returns (bytes memory) {
        bytes32 id = _id(channel);
        if (what == 0) {
            return "";
        }
        if (what == 1) {
            return _sign(signerKeys[1], Messages.endorsement(id, proof));
        }
        if (what == 2) {
            return _sign(signerKeys[0], Messages.proof(id, proof));
        }
        if (what == 3) {
            return _sign(keys[0], Messages.endorsement(id, proof));
        }
        if (what == 4) {
            return _sign(signerKeys[0], Messages.startClose(id, time));
        }
        BalanceProof memory near = _proof(9, 1);
        near.history = bytes32(uint256(1));
        return _sign(signerKeys[0], Messages.endorsement(id, near));
    }

    /// @dev The same proof, signature and locks put under the other direction.
    function test_AProofCannotBeTurnedAround() external {
        Channel memory channel = _closing(address(token));
        BalanceProof memory proof = _proof(1, 400);
        bytes memory signature = _signProof(channel, 0, proof);
        bytes memory endorsement = _endorse(channel, 0, proof);
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[1]);
        escrow.challenge(channel, accounts[1], proof, signature, endorsement, _noLocks());
        _expect(IChannelEscrow.ChannelEscrow_InvalidSignature.selector, signers[1]);
        escrow.challenge(channel, accounts[1], proof, endorsement, signature, _noLocks());
    }

    /// @dev A channel that the thief opened with dust and closed before the victim's deposit arrives takes nothing.
    function test_ADepositIntoARuinedChannelIsNotTaken() external {
        Channel memory channel = _terms(address(token));
        channel.challengePeriod = 0;
        vm.prank(accounts[0]);
        escrow.deposit(channel, accounts[0], 1);
        _startClose(channel, 0);
        _expectWrongStatus(channel, ChannelStatus.Closing);
        vm.prank(accounts[1]);
        escrow.deposit(channel, accounts[1], 1000);
        escrow.settle(channel);
        _expectWrongStatus(channel, ChannelStatus.Settled);
        vm.prank(accounts[1]);
        escrow.deposit(channel, accounts[1], 1000);
        _eq(token.balanceOf(accounts[1]), FUNDS, "all there");
    }

    // ------------------------------------------------------------------------------------------------ arithmetic

    /// @dev Sixty-four locks of the largest amount over the largest total, both ways: nothing overflows into a lock-up.
    function test_TheLargestNumbersStillSettle() external {
        Channel memory channel = _closing(address(token));
        for (uint256 payer = 0; payer < 2; ++payer) {
            Lock[] memory locks = _locks(64, time + PERIOD);
            uint256[] memory indices = new uint256[](64);
            bytes32[] memory preimages = new bytes32[](64);
            for (uint256 i = 0; i < 64; ++i) {
                locks[i].amount = type(uint128).max;
                (indices[i], preimages[i]) = (i, _preimage(i + 1));
            }
            _record(channel, payer, _proof(type(uint64).max - 1, type(uint128).max, locks), locks);
            escrow.claim(channel, accounts[payer], locks, indices, preimages);
            _record(channel, payer, _proof(type(uint64).max, payer == 0 ? type(uint128).max : 0, locks), locks);
        }
        (uint256 b0, uint256 b1) = (token.balanceOf(accounts[0]), token.balanceOf(accounts[1]));
        _warp(_deadline(channel));
        escrow.settle(channel);
        _eq(token.balanceOf(accounts[0]), b0, "paid more than it had");
        _eq(token.balanceOf(accounts[1]), b1 + 1500, "all");
    }

    function testFuzz_AnyCooperativeTotalsSettle(uint256 t0, uint256 t1, uint16 withdrawn, bool first) external {
        Channel memory channel = _openToken();
        _withdraw(channel, first ? 0 : 1, withdrawn % 1501);
        uint256 before = token.balanceOf(accounts[0]) + token.balanceOf(accounts[1]);
        _closeCooperatively(channel, t0, t1);
        uint256 paid = token.balanceOf(accounts[0]) + token.balanceOf(accounts[1]) - before;
        _eq(paid, 1500 - (withdrawn % 1501), "all of it");
        _eq(token.balanceOf(address(escrow)), 0, "and no more");
    }

    /// @dev A proof that cannot be recorded leaves no trace that would keep a good one out.
    function test_AnUnrecordableProofLeavesNoTrace() external {
        Channel memory channel = _closing(address(token));
        uint256 deadline = _deadline(channel);
        BalanceProof memory wide = _proof(7, uint256(type(uint128).max) + 1);
        bytes memory signature = _signProof(channel, 1, wide);
        vm.expectRevert();
        vm.prank(accounts[0]);
        escrow.challenge(channel, accounts[1], wide, signature, "", _noLocks());
        Lock[] memory late = _locks(1, 2 ** 40);
        BalanceProof memory later = _proof(7, 5, late);
        signature = _signProof(channel, 1, later);
        vm.expectRevert();
        vm.prank(accounts[0]);
        escrow.challenge(channel, accounts[1], later, signature, "", late);
        _eq(_deadline(channel), deadline, "deadline");
        _record(channel, 1, _proof(1, 3));
    }

    // ------------------------------------------------------------------------------------------- gas and memory

    /// @dev A caller who blows up memory with its own wallet's signature, and tries every gas limit, cannot turn the other
    /// side's payout, which needs nearly its whole allowance, into a failed one.
    function test_NoMemoryAndNoGasLimitStarvesAPayout() external {
        HungryToken hungry = new HungryToken();
        hungry.mint(accounts[1], 1000);
        vm.prank(accounts[1]);
        hungry.approve(address(escrow), 1000);
        LavishWallet wallet = new LavishWallet();
        Channel memory channel = _terms(address(hungry));
        uint256 side = address(wallet) < accounts[1] ? 1 : 0;
        (channel.participant0, channel.participant1) =
            side == 1 ? (address(wallet), accounts[1]) : (accounts[1], address(wallet));
        (channel.signer0, channel.signer1) = side == 1 ? (address(0), signers[1]) : (signers[1], address(0));
        vm.prank(accounts[1]);
        escrow.deposit(channel, accounts[1], 1000);
        bytes memory large = new bytes(300_000);
        bytes memory good = _sign(signerKeys[1], Messages.withdrawal(_id(channel), accounts[1], 700, time));
        bytes memory call = abi.encodeCall(
            escrow.withdraw,
            (channel, accounts[1], 700, time, side == 1 ? large : good, side == 1 ? good : large)
        );
        _sweep(call, address(hungry));
        _eq(hungry.balanceOf(accounts[1]), 700, "delivered");
    }

    function _sweep(bytes memory call, address tokenAddress) private {
        uint256 refusals = 0;
        for (uint256 limit = 300_000; limit < 4_000_000; limit += 2_000) {
            (bool success, bytes memory reason) = address(escrow).call{gas: limit}(call);
            _eq(escrow.payoutOf(tokenAddress, accounts[1]), 0, "never credited");
            if (success) {
                _true(refusals > 10, "the limit was met on the way");
                return;
            }
            refusals += bytes4(reason) == IChannelEscrow.ChannelEscrow_InsufficientGas.selector ? 1 : 0;
        }
        revert NotTrue("some limit suffices");
    }

    /// @dev Whatever gas a stranger sends {withdrawPayout} with, the money is delivered or waits.
    function test_AWaitingPayoutIsNeverLostToALowGasLimit() external {
        Receiver receiver = new Receiver();
        Channel memory channel = _terms(NATIVE);
        (channel.participant0, channel.participant1) = (address(receiver), address(uint160(address(receiver)) + 1));
        vm.prank(stranger);
        escrow.deposit{value: 1000}(channel, address(receiver), 1000);
        receiver.setMood(Hostility.Mood.Reverts);
        _closeCooperatively(channel, 0, 0);
        receiver.setMood(Hostility.Mood.Kind);
        bytes memory call = abi.encodeCall(escrow.withdrawPayout, (NATIVE, address(receiver), address(receiver)));
        for (uint256 limit = 2_000; limit < 100_000; limit += 250) {
            vm.prank(stranger);
            (bool success, ) = address(escrow).call{gas: limit}(call);
            uint256 waiting = escrow.payoutOf(NATIVE, address(receiver));
            _eq(address(receiver).balance, success ? 1000 : 0, "delivered");
            _eq(waiting, success ? 0 : 1000, "or waits");
            if (success) {
                return;
            }
        }
        revert NotTrue("some limit suffices");
    }

    // --------------------------------------------------------------------------------------------------- batches

    /// @dev Calls that return early leave the guard free for the next in the batch.
    function test_CallsThatDoNothingDoNotBlockTheRestOfABatch() external {
        Channel memory open = _openToken();
        _withdraw(open, 0, 100);
        Channel memory channel = _closing(address(token));
        BalanceProof memory proof = _proof(4, 40);
        _record(channel, 1, proof);
        bytes[] memory calls = new bytes[](5);
        calls[0] = abi.encodeCall(escrow.withdraw, (open, accounts[0], 100, 0, "", ""));
        calls[1] = abi.encodeCall(escrow.challenge, (channel, accounts[1], proof, "", "", _noLocks()));
        calls[2] = abi.encodeCall(escrow.startClose, (channel, accounts[0], 0, "", _none(), "", "", _noLocks()));
        calls[3] = abi.encodeCall(escrow.claim, (channel, accounts[1], _noLocks(), new uint256[](0), new bytes32[](0)));
        calls[4] = abi.encodeCall(escrow.deposit, (open, accounts[1], 5));
        vm.prank(stranger);
        IMulticall(address(escrow)).multicall(calls);
        (, , uint256 deposit1, , , ) = escrow.channelState(_id(open));
        _eq(deposit1, 505, "the last one was done");
    }

    /// @dev The thief spoils a batch by recording a later proof it was sent, so that the endorsed one in the batch reverts it
    /// all. It can do so once: afterwards that entry is needless. Entries sent apart lose nothing even then.
    function test_AThiefSpoilsABatchOnceAndNothingSentApart() external {
        Channel memory channel = _closing(address(token));
        BalanceProof memory incoming = _proof(8, 300);
        BalanceProof memory endorsed = _proof(5, 100);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(
            escrow.challenge,
            (channel, accounts[1], incoming, _signProof(channel, 1, incoming), "", _noLocks())
        );
        calls[1] = abi.encodeCall(
            escrow.challenge,
            (
                channel,
                accounts[0],
                endorsed,
                _signProof(channel, 0, endorsed),
                _endorse(channel, 0, endorsed),
                _noLocks()
            )
        );
        _record(channel, 0, _proof(6, 120));
        _expect(IChannelEscrow.ChannelEscrow_NonceNotHigher.selector, 5, 6);
        vm.prank(accounts[0]);
        IMulticall(address(escrow)).multicall(calls);
        vm.prank(accounts[0]);
        (bool success, ) = address(escrow).call(calls[0]);
        _true(success, "apart");
    }

    // ----------------------------------------------------------------------------------------- authorizations

    /// @dev An EIP-3009 authorization to the escrow is worthless elsewhere, and to the escrow otherwise than by its deposit.
    function test_AnAuthorizationIsWorthlessToAThief() external {
        Channel memory channel = _terms(address(token));
        bytes32 nonce = keccak256(abi.encode(_id(channel), accounts[0], bytes32(uint256(1))));
        bytes32 typehash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 structHash = keccak256(abi.encode(typehash, accounts[0], address(escrow), 100, 0, NEVER, nonce));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], Messages.digest(token.DOMAIN_SEPARATOR(), structHash));
        vm.startPrank(stranger);
        vm.expectRevert();
        token.receiveWithAuthorization(accounts[0], address(escrow), 100, 0, NEVER, nonce, v, r, s);
        vm.expectRevert();
        token.transferWithAuthorization(accounts[0], address(escrow), 100, 0, NEVER, nonce, v, r, s);
        vm.expectRevert();
        escrow.depositWithAuthorization(
            channel,
            accounts[1],
            100,
            accounts[0],
            bytes32(uint256(1)),
            0,
            NEVER,
            abi.encodePacked(r, s, v)
        );
        escrow.depositWithAuthorization(
            channel,
            accounts[0],
            100,
            accounts[0],
            bytes32(uint256(1)),
            0,
            NEVER,
            abi.encodePacked(r, s, v)
        );
        vm.stopPrank();
        (, uint256 deposit0, , , , ) = escrow.channelState(_id(channel));
        _eq(deposit0, 100, "the stranger did its owner's work");
    }
}
