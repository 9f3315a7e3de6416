// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BalanceProof, Channel, ChannelStatus, Lock} from "../interfaces/IChannelEscrow.sol";
import {BlockingToken} from "./tokens/BlockingToken.sol";
import {FeeToken} from "./tokens/FeeToken.sol";
import {MoodyToken} from "./tokens/MoodyToken.sol";
import {ReenteringToken} from "./tokens/ReenteringToken.sol";
import {SilentToken} from "./tokens/SilentToken.sol";
import {Delegate, Receiver, Wallet} from "./support/Accounts.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Hostility} from "./support/Hostility.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";

/// @dev Without return values, so that it fits every token.
interface IAsset {
    function mint(address to, uint256 amount) external;

    function approve(address spender, uint256 amount) external;
}

/// @title Participants of every kind, honest and not, over every kind of token
/// @dev Each action picks a channel that it can do something with, or makes one. What must succeed is called outright; what
/// must fail is called by {attack} and counted if it does not. The books kept here know only what went in and what
/// came out.
abstract contract EscrowHandler is EscrowTest {
    uint256 internal constant TOKENS = 7;
    uint256 private constant PAIRS = 4;
    uint256 private constant MOST_CHANNELS = 64;

    struct Book {
        Channel channel;
        uint256 pair;
        uint256[2] deposited;
        uint256[2] withdrawn;
        uint256 remaining;
        bool challenged;
        bool settled;
        uint64[2] nonce;
        uint256[2] lockCount;
    }

    /// @dev How often a run got to what it is about.
    struct Reached {
        uint256 settlementsAfterChallenge;
        uint256 claims;
        uint256 withdrawalsBeyondOwnDeposit;
        uint256 cooperativeClosesWhileClosing;
        uint256 undeliveredPayouts;
        uint256 deliveredLater;
        uint256 attacks;
        uint256 successfulAttacks;
    }

    Book[] internal books;
    address[TOKENS] internal tokens;
    address[2][PAIRS] private pairs;
    uint256[2][PAIRS] private pairKeys;
    uint256 private random;
    uint256 private steps;

    mapping(bytes32 channelId => mapping(uint256 payer => Lock[])) private recordedLocks;
    mapping(address token => address[]) private creditors;

    Reached internal reached;

    function setUp() public virtual override {
        super.setUp();
        tokens = [
            NATIVE,
            address(token),
            address(new SilentToken()),
            address(new BlockingToken()),
            address(new ReenteringToken()),
            address(new MoodyToken()),
            address(new FeeToken())
        ];
        for (uint256 i = 1; i < TOKENS; ++i) {
            IAsset(tokens[i]).mint(address(this), FUNDS);
            IAsset(tokens[i]).approve(address(escrow), FUNDS);
        }
        vm.deal(address(this), FUNDS);
        _makePairs();
        Receiver(payable(pairs[1][0])).setMood(Hostility.Mood.Reverts);
        Receiver(payable(pairs[1][1])).setMood(Hostility.Mood.BurnsGas);
        MoodyToken(tokens[5]).setMood(Hostility.Mood.ReturnsFalse);
    }

    /// @dev Plain accounts; contracts that receive in any mood; a contract wallet that signs by ERC-1271; an account with
    /// EIP-7702 code.
    function _makePairs() private {
        _setPair(0, [accounts[0], accounts[1]], [signerKeys[0], signerKeys[1]]);
        _setPair(1, [address(new Receiver()), address(new Receiver())], [signerKeys[0], signerKeys[1]]);
        _setPair(2, [address(new Wallet(vm.addr(0xA11E7))), vm.addr(0x1EF7)], [uint256(0xA11E7), uint256(0x1EF7)]);
        _setPair(3, [vm.addr(0x7702), vm.addr(0x7703)], [uint256(0x7702), uint256(0x7703)]);
        vm.etch(vm.addr(0x7702), abi.encodePacked(hex"ef0100", address(new Delegate())));
    }

    function _setPair(uint256 index, address[2] memory who, uint256[2] memory ownKeys) private {
        if (who[0] > who[1]) {
            (who[0], who[1]) = (who[1], who[0]);
            if (index >= 2) {
                (ownKeys[0], ownKeys[1]) = (ownKeys[1], ownKeys[0]);
            }
        }
        pairs[index] = who;
        pairKeys[index] = ownKeys;
    }

    // ------------------------------------------------------------------------------------------- honest actions

    function open(uint256 seed) external {
        _begin(seed);
        _openOne();
    }

    function deposit(uint256 seed) external {
        _begin(seed);
        _pay(_pick(ChannelStatus.Open), _next(2), 1 + _next(1e6));
    }

    /// @dev Up to all that is left, and often more than the own deposit.
    function withdraw(uint256 seed) external {
        _begin(seed);
        uint256 index = _pick(ChannelStatus.Open);
        Book storage book = books[index];
        uint256 side = _next(2);
        if (book.remaining == 0) {
            return;
        }
        uint256 total = book.withdrawn[side] + 1 + _next(book.remaining);
        (bytes memory s0, bytes memory s1) = _both(
            book,
            Messages.withdrawal(_id(book.channel), pairs[book.pair][side], total, time)
        );
        uint256 out = _outOf(book);
        escrow.withdraw(book.channel, pairs[book.pair][side], total, time, s0, s1);
        _booked(book, out, total - book.withdrawn[side]);
        book.withdrawn[side] = total;
        reached.withdrawalsBeyondOwnDeposit += total > book.deposited[side] ? 1 : 0;
    }

    function closeCooperatively(uint256 seed) external {
        _begin(seed);
        // Leave some channels to the dispute, which takes several steps.
        if (_next(3) != 0) {
            _cooperate(_pick(_next(4) == 0 ? ChannelStatus.Open : ChannelStatus.Closing));
        }
    }

    function startClose(uint256 seed) external {
        _begin(seed);
        _startOne(_pick(ChannelStatus.Open));
    }

    /// @dev Either side's proof, recorded by its payee, with up to four locks.
    function challenge(uint256 seed) external {
        _begin(seed);
        _challengeOne(_pick(ChannelStatus.Closing), _next(2));
    }

    function claim(uint256 seed) external {
        _begin(seed);
        uint256 index = _pick(ChannelStatus.Closing);
        uint256 payer = _next(2);
        Book storage book = books[index];
        Lock[] memory locks = recordedLocks[_id(book.channel)][payer];
        if (locks.length == 0) {
            _challengeOne(index, payer);
            locks = recordedLocks[_id(book.channel)][payer];
        }
        if (locks.length == 0) {
            return;
        }
        uint256 which = _next(locks.length);
        address payerAddress = pairs[book.pair][payer];
        bool countable = time < locks[which].expiry && !escrow.isClaimed(_id(book.channel), payerAddress, locks[which]);
        (, , uint256 before, ) = escrow.recordedProof(_id(book.channel), payerAddress);
        (uint256[] memory indices, bytes32[] memory preimages) = _one(which, _preimage(locks[which].id));
        escrow.claim(book.channel, payerAddress, locks, indices, preimages);
        (, , uint256 claimed, ) = escrow.recordedProof(_id(book.channel), payerAddress);
        _eq(claimed - before, countable ? locks[which].amount : 0, "a lock counts once");
        reached.claims += countable ? 1 : 0;
    }

    function settle(uint256 seed) external {
        _begin(seed);
        uint256 index = _pick(ChannelStatus.Closing);
        Book storage book = books[index];
        uint256 deadline = _deadline(book.channel);
        if (time < deadline) {
            _warp(deadline);
        }
        uint256 out = _outOf(book);
        vm.prank(stranger);
        escrow.settle(book.channel);
        _ended(book, out);
        reached.settlementsAfterChallenge += book.challenged ? 1 : 0;
    }

    function waitAWhile(uint256 seed) external {
        _begin(seed);
        _warp(time + _next(PERIOD / 4));
    }

    /// @dev Everybody who has a payout waiting and can receive it by now gets it.
    function withdrawPayout(uint256 seed) external {
        _begin(seed);
        address tokenAddress = tokens[_next(TOKENS)];
        if (creditors[tokenAddress].length == 0) {
            return;
        }
        address account = creditors[tokenAddress][_next(creditors[tokenAddress].length)];
        uint256 waiting = escrow.payoutOf(tokenAddress, account);
        uint256 held = _balance(tokenAddress, address(escrow));
        vm.prank(account);
        (bool success, ) = address(escrow).call(
            abi.encodeCall(escrow.withdrawPayout, (tokenAddress, account, _next(2) == 0 ? account : stranger))
        );
        uint256 paid = held - _balance(tokenAddress, address(escrow));
        _eq(paid, success ? waiting : 0, "all that waited or nothing");
        _eq(escrow.payoutOf(tokenAddress, account), waiting - paid, "and not twice");
        reached.deliveredLater += success ? 1 : 0;
    }

    // ----------------------------------------------------------------------------------------- dishonest actions

    /// @dev Tokens and receivers change their minds.
    function turnHostile(uint256 seed) external {
        _begin(seed);
        Hostility.Mood mood = Hostility.Mood(_next(4) == 0 ? 0 : 1 + _next(4));
        uint256 what = _next(4);
        if (what == 0) {
            Receiver(payable(pairs[1][_next(2)])).setMood(mood);
        } else if (what == 1) {
            BlockingToken(tokens[3]).setBlocked(pairs[_next(PAIRS)][_next(2)], _next(3) != 0);
        } else if (what == 2) {
            // A blob that begins with true would make the token lie about a transfer, which no escrow can notice.
            MoodyToken(tokens[5]).setMood(mood == Hostility.Mood.ReturnsBlob ? Hostility.Mood.ReturnsTwo : mood);
        } else {
            Channel memory target = books.length == 0 ? _terms(NATIVE) : books[_next(books.length)].channel;
            ReenteringToken(tokens[4]).setCall(address(escrow), abi.encodeCall(escrow.settle, (target)));
        }
    }

    /// @dev Calls that must not succeed, against a channel in any state, by a thief who holds one side's keys.
    function attack(uint256 seed) external {
        _begin(seed);
        uint256 index = books.length == 0 ? _openOne() : _next(books.length);
        Book storage book = books[index];
        uint256 thief = _next(2);
        bytes memory call = _attackOf(book, thief, _next(9));
        vm.prank(_next(2) == 0 ? pairs[book.pair][thief] : stranger);
        (bool success, ) = address(escrow).call(call);
        ++reached.attacks;
        reached.successfulAttacks += success ? 1 : 0;
    }

    function _attackOf(Book storage book, uint256 thief, uint256 kind) private returns (bytes memory) {
        Channel memory channel = book.channel;
        address payer = pairs[book.pair][thief];
        address victim = pairs[book.pair][1 - thief];
        bytes32 id = _id(channel);
        if (kind == 0) {
            BalanceProof memory forged = _proof(type(uint64).max, 0);
            bytes memory own = _key(book, thief, Messages.endorsement(id, forged));
            return
                abi.encodeCall(
                    escrow.challenge,
                    (channel, payer, forged, _key(book, thief, Messages.proof(id, forged)), own, _noLocks())
                );
        }
        if (kind == 1) {
            bytes memory sig = _key(book, thief, Messages.withdrawal(id, payer, book.withdrawn[thief] + 1, NEVER));
            return abi.encodeCall(escrow.withdraw, (channel, payer, book.withdrawn[thief] + 1, NEVER, sig, sig));
        }
        if (kind == 2) {
            bytes memory sig = _key(book, thief, Messages.cooperativeClose(id, 0, 0, NEVER));
            return abi.encodeCall(escrow.closeCooperatively, (channel, 0, 0, NEVER, sig, sig));
        }
        if (kind == 3) {
            bytes memory sig = _key(book, thief, Messages.startClose(id, NEVER));
            return abi.encodeCall(escrow.startClose, (channel, victim, NEVER, sig, _proof(9, 9), sig, sig, _noLocks()));
        }
        if (kind == 4) {
            // A proof that the victim never signed, put forward by its payee.
            BalanceProof memory proof = _proof(type(uint64).max, 1e6);
            bytes memory sig = _key(book, thief, Messages.proof(id, proof));
            return abi.encodeCall(escrow.challenge, (channel, victim, proof, sig, sig, _noLocks()));
        }
        if (kind == 5) {
            return abi.encodeCall(escrow.withdrawPayout, (channel.token, victim, payer));
        }
        return _lateAttackOf(book, thief, kind);
    }

    /// @dev With everything that both sides signed or would have: too late, or too early.
    function _lateAttackOf(Book storage book, uint256 thief, uint256 kind) private returns (bytes memory) {
        Channel memory channel = book.channel;
        address payer = pairs[book.pair][thief];
        bytes32 id = _id(channel);
        if (kind == 6 && (book.settled || time >= _deadline(channel))) {
            BalanceProof memory proof = _proof(type(uint64).max, 0);
            bytes memory sig = _key(book, thief, Messages.proof(id, proof));
            bytes memory end = _key(book, 1 - thief, Messages.endorsement(id, proof));
            return abi.encodeCall(escrow.challenge, (channel, payer, proof, sig, end, _noLocks()));
        }
        if (kind == 7 && book.settled) {
            bytes32 message = Messages.withdrawal(id, payer, 1, NEVER);
            (bytes memory s0, bytes memory s1) = _both(book, message);
            return abi.encodeCall(escrow.withdraw, (channel, payer, 1, NEVER, s0, s1));
        }
        if (kind == 8 && book.settled) {
            (bytes memory s0, bytes memory s1) = _both(book, Messages.cooperativeClose(id, 0, 0, NEVER));
            return abi.encodeCall(escrow.closeCooperatively, (channel, 0, 0, NEVER, s0, s1));
        }
        return
            abi.encodeCall(
                escrow.settle,
                (time < _deadline(channel) || book.settled ? channel : _terms(channel.token))
            );
    }

    // --------------------------------------------------------------------------------------------------- books

    /// @dev What the books say the escrow owes in a token: to open channels, and to those whose payouts wait.
    function _owedIn(address tokenAddress) internal view returns (uint256 owed) {
        for (uint256 i = 0; i < books.length; ++i) {
            owed += books[i].channel.token == tokenAddress ? books[i].remaining : 0;
        }
        for (uint256 p = 0; p < PAIRS; ++p) {
            owed += escrow.payoutOf(tokenAddress, pairs[p][0]) + escrow.payoutOf(tokenAddress, pairs[p][1]);
        }
    }

    function _reentries() internal view returns (uint256) {
        return ReenteringToken(tokens[4]).successes();
    }

    /// @dev What a channel has cost the escrow so far: delivered, or credited.
    function _outOf(Book storage book) private view returns (uint256) {
        address[2] storage who = pairs[book.pair];
        address tokenAddress = book.channel.token;
        return
            FUNDS +
            escrow.payoutOf(tokenAddress, who[0]) +
            escrow.payoutOf(tokenAddress, who[1]) -
            _balance(tokenAddress, address(escrow));
    }

    function _booked(Book storage book, uint256 outBefore, uint256 expected) private {
        _eq(_outOf(book) - outBefore, expected, "paid exactly");
        book.remaining -= expected;
        for (uint256 side = 0; side < 2; ++side) {
            if (escrow.payoutOf(book.channel.token, pairs[book.pair][side]) != 0) {
                creditors[book.channel.token].push(pairs[book.pair][side]);
                ++reached.undeliveredPayouts;
            }
        }
    }

    function _ended(Book storage book, uint256 outBefore) private {
        _booked(book, outBefore, book.remaining);
        book.settled = true;
    }

    // ---------------------------------------------------------------------------------------------------- steps

    function _openOne() private returns (uint256 index) {
        if (books.length == MOST_CHANNELS) {
            return MOST_CHANNELS - 1;
        }
        index = books.length;
        Book storage book = books.push();
        uint256 pair = _next(PAIRS);
        bool ownSigners = pair < 2;
        book.pair = pair;
        book.channel = Channel(
            pairs[pair][0],
            pairs[pair][1],
            ownSigners ? signers[0] : address(0),
            ownSigners ? signers[1] : address(0),
            _tokenFor(pair),
            PERIOD,
            ++lastSalt
        );
        _pay(index, 0, 1 + _next(1e6));
        _pay(index, 1, 1 + _next(1e6));
        _feeTokenIsRefused(pair);
    }

    /// @dev Contracts that receive in any mood matter where they receive native coin.
    function _tokenFor(uint256 pair) private returns (address) {
        return pair == 1 && _next(2) == 0 ? NATIVE : tokens[_next(TOKENS - 1)];
    }

    /// @dev A token that takes a fee never gets in, so there is never a channel of it to look after.
    function _feeTokenIsRefused(uint256 pair) private {
        Channel memory channel = Channel(pairs[pair][0], pairs[pair][1], signers[0], signers[1], tokens[6], 0, 0);
        (bool success, ) = address(escrow).call(abi.encodeCall(escrow.deposit, (channel, pairs[pair][0], 1000)));
        _true(!success, "fee token refused");
    }

    function _pay(uint256 index, uint256 side, uint256 amount) private {
        Book storage book = books[index];
        if (book.settled || (_status(book.channel) == ChannelStatus.Closing)) {
            return;
        }
        uint256 value = book.channel.token == NATIVE ? amount : 0;
        escrow.deposit{value: value}(book.channel, pairs[book.pair][side], amount);
        book.deposited[side] += amount;
        book.remaining += amount;
    }

    function _startOne(uint256 index) private {
        Book storage book = books[index];
        if (book.settled || _status(book.channel) != ChannelStatus.Open) {
            return;
        }
        uint256 side = _next(2);
        vm.prank(pairs[book.pair][side]);
        escrow.startClose(book.channel, pairs[book.pair][side], 0, "", _none(), "", "", _noLocks());
    }

    function _challengeOne(uint256 index, uint256 payer) private {
        Book storage book = books[index];
        if (book.settled || time >= _deadline(book.channel) || _isWallet(book, payer)) {
            return;
        }
        Lock[] memory locks = _someLocks(book, payer);
        BalanceProof memory proof = _proof(++book.nonce[payer], _next(2e6), locks);
        bytes32 id = _id(book.channel);
        bytes memory signature = _key(book, payer, Messages.proof(id, proof));
        vm.prank(pairs[book.pair][1 - payer]);
        escrow.challenge(book.channel, pairs[book.pair][payer], proof, signature, "", locks);
        delete recordedLocks[id][payer];
        for (uint256 i = 0; i < locks.length; ++i) {
            recordedLocks[id][payer].push(locks[i]);
        }
        book.challenged = true;
    }

    /// @dev Keeps some of the locks recorded before, and adds new ones behind them.
    function _someLocks(Book storage book, uint256 payer) private returns (Lock[] memory locks) {
        Lock[] storage old = recordedLocks[_id(book.channel)][payer];
        uint256 kept = old.length == 0 ? 0 : _next(old.length + 1);
        uint256 added = _next(3);
        locks = new Lock[](kept + added);
        for (uint256 i = 0; i < kept; ++i) {
            locks[i] = old[old.length - kept + i];
        }
        for (uint256 i = 0; i < added; ++i) {
            locks[kept + i] = _lock(
                uint64(++book.lockCount[payer]),
                uint128(1 + _next(1e5)),
                time + 1 + _next(2 * PERIOD)
            );
        }
    }

    function _cooperate(uint256 index) private {
        Book storage book = books[index];
        if (book.settled) {
            return;
        }
        (uint256 t0, uint256 t1) = (_next(2e6), _next(2e6));
        bool closing = _status(book.channel) == ChannelStatus.Closing;
        (bytes memory s0, bytes memory s1) = _both(book, Messages.cooperativeClose(_id(book.channel), t0, t1, time));
        uint256 out = _outOf(book);
        escrow.closeCooperatively(book.channel, t0, t1, time, s0, s1);
        _ended(book, out);
        reached.cooperativeClosesWhileClosing += closing ? 1 : 0;
    }

    /// @dev A channel in this state: one that is, or one that is brought there.
    function _pick(ChannelStatus status) private returns (uint256) {
        uint256 length = books.length;
        uint256 start = length == 0 ? 0 : _next(length);
        for (uint256 i = 0; i < length; ++i) {
            uint256 index = (start + i) % length;
            if (_status(books[index].channel) == status) {
                return index;
            }
        }
        uint256 made = status == ChannelStatus.Closing ? _pick(ChannelStatus.Open) : _openOne();
        if (status == ChannelStatus.Closing) {
            _startOne(made);
        }
        return made;
    }

    function _isWallet(Book storage book, uint256 side) private view returns (bool) {
        return book.pair == 2 && pairs[2][side].code.length > 23;
    }

    function _key(Book storage book, uint256 side, bytes32 message) private view returns (bytes memory signature) {
        signature = _sign(pairKeys[book.pair][side], message);
        if (_isWallet(book, side)) {
            signature = bytes.concat(hex"00", signature);
        }
    }

    function _both(Book storage book, bytes32 message) private view returns (bytes memory, bytes memory) {
        return (_key(book, 0, message), _key(book, 1, message));
    }

    /// @dev The fuzzer likes to repeat arguments; a step counter keeps every step a different one.
    function _begin(uint256 seed) private {
        random = uint256(keccak256(abi.encode(seed, ++steps)));
    }

    function _next(uint256 bound) private returns (uint256) {
        random = uint256(keccak256(abi.encode(random)));
        return random % bound;
    }
}
