// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BalanceProof, Channel, ChannelStatus, Lock} from "../interfaces/IChannelEscrow.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";

/// @title Property 3: an honest side that acts in time gets its true balance, whatever the other side does
/// @dev A random history of both directions is written as two honest ledgers would accept it. Then the thief holds every
/// proof ever exchanged, may sign anything in its own name, knows every preimage, and acts before, between and after
/// the honest side's few calls, in one block or in many. The honest side knows only what a node would have kept.
contract SafetyTest is EscrowTest {
    uint256 private constant UPDATES = 10;
    uint256 private constant THIEF_STEPS = 4;

    /// @dev A proof with its list of locks, as either side keeps it.
    struct Signed {
        BalanceProof proof;
        Lock[] locks;
    }

    /// @dev What one direction has seen: proofs by nonce, with an empty one at 0, and the newest that the payee endorsed.
    struct History {
        Signed[] sent;
        uint256 endorsed;
        uint64 nextLock;
    }

    History[2] private histories;
    Channel private channel;
    uint256 private honest;
    uint256 private thief;
    uint256 private random;
    uint256 private preimagesKnown;

    uint256 private recordings;
    uint256 private thiefRecordings;
    uint256 private claims;
    uint256 private thiefClaims;

    function testFuzz_TheHonestSideGetsItsTrueBalance(uint256 seed) external {
        _play(seed);
    }

    /// @dev The same over fixed seeds, to show that the campaign reaches what it is about.
    function test_TheCampaignReachesDisputesAndClaims() external {
        for (uint256 seed = 1; seed <= 40; ++seed) {
            _play(uint256(keccak256(abi.encode("campaign", seed))));
        }
        _true(recordings >= 20, "honest recordings");
        _true(thiefRecordings >= 20, "thief's recordings");
        _true(claims >= 10, "honest claims");
        _true(thiefClaims >= 10, "thief's claims");
    }

    function _play(uint256 seed) private {
        random = seed;
        _warp(START);
        honest = _next(2);
        thief = 1 - honest;
        channel = _open(_next(2) == 0 ? NATIVE : address(token), 1 + _next(10_000), 1 + _next(10_000));
        _clear();
        preimagesKnown = _random();
        for (uint256 i = 0; i < UPDATES; ++i) {
            _update(_next(2));
            if (_next(6) == 0) {
                _withdrawSome();
            }
        }
        if (_next(4) == 0) {
            vm.prank(stranger);
            escrow.deposit{value: channel.token == NATIVE ? 1 : 0}(channel, accounts[thief], 1);
        }
        (uint256 owed, uint256[3] memory before, uint256 total) = (_trueBalance(), _balances(), _total());
        _dispute();
        _check(owed, before, total);
    }

    // --------------------------------------------------------------------------------------- an honest history

    function _clear() private {
        for (uint256 side = 0; side < 2; ++side) {
            delete histories[side].sent;
            histories[side].endorsed = 0;
            histories[side].nextLock = 1;
            histories[side].sent.push();
        }
    }

    function _latest(uint256 payer) private view returns (Signed memory) {
        return histories[payer].sent[histories[payer].sent.length - 1];
    }

    /// @dev What the side can still send: both sides count every lock of the other as not theirs yet.
    function _capacity(uint256 payer) private view returns (uint256) {
        (, uint256 d0, uint256 d1, uint256 w0, uint256 w1, ) = escrow.channelState(_id(channel));
        (uint256 deposited, uint256 withdrawn) = payer == 0 ? (d0, w0) : (d1, w1);
        uint256 plus = deposited + _latest(1 - payer).proof.transferred;
        uint256 minus = withdrawn + _worst(payer);
        return plus > minus ? plus - minus : 0;
    }

    /// @dev The most that the payee can get out of a direction: of the proofs from the endorsed one on, the dearest.
    function _worst(uint256 payer) private view returns (uint256 worst) {
        History storage history = histories[payer];
        for (uint256 i = history.endorsed; i < history.sent.length; ++i) {
            uint256 cost = history.sent[i].proof.transferred + history.sent[i].proof.locked;
            worst = cost > worst ? cost : worst;
        }
    }

    function _update(uint256 payer) private {
        Signed memory last = _latest(payer);
        uint256 kind = _next(5);
        Lock[] memory locks = last.locks;
        uint256 transferred = last.proof.transferred;
        uint256 capacity = _capacity(payer);
        bool removes = false;
        if (kind <= 1 && capacity != 0) {
            uint256 amount = 1 + _next(capacity);
            (locks, transferred) = kind == 0
                ? (locks, transferred + amount)
                : (_added(payer, locks, amount), transferred);
        } else if (locks.length != 0) {
            uint256 index = _next(locks.length);
            if (kind == 2) {
                transferred += locks[index].amount;
            } else {
                removes = true;
            }
            locks = _without(locks, index);
        }
        Signed storage stored = histories[payer].sent.push();
        stored.proof = _proof(last.proof.nonce + 1, transferred, locks);
        for (uint256 i = 0; i < locks.length; ++i) {
            stored.locks.push(locks[i]);
        }
        // A payee endorses what removes a lock; the thief withholds some.
        if (removes && (payer == thief || _next(3) != 0)) {
            histories[payer].endorsed = histories[payer].sent.length - 1;
        }
    }

    function _added(uint256 payer, Lock[] memory locks, uint256 amount) private returns (Lock[] memory longer) {
        if (locks.length == 6) {
            return locks;
        }
        longer = new Lock[](locks.length + 1);
        for (uint256 i = 0; i < locks.length; ++i) {
            longer[i] = locks[i];
        }
        longer[locks.length] = _lock(
            histories[payer].nextLock++,
            uint128(amount),
            time + PERIOD / 2 + _next(4 * PERIOD)
        );
    }

    function _without(Lock[] memory locks, uint256 index) private pure returns (Lock[] memory shorter) {
        shorter = new Lock[](locks.length - 1);
        for (uint256 i = 0; i < shorter.length; ++i) {
            shorter[i] = locks[i < index ? i : i + 1];
        }
    }

    /// @dev Of what a side could still send, either may be taken out, its own deposit or what it was paid.
    function _withdrawSome() private {
        uint256 side = _next(2);
        uint256 capacity = _capacity(side);
        (, , , uint256 w0, uint256 w1, ) = escrow.channelState(_id(channel));
        if (capacity != 0) {
            _withdraw(channel, side, (side == 0 ? w0 : w1) + 1 + _next(capacity));
        }
    }

    /// @dev What a node would say is its own: deposit, less withdrawals, and what it received with the locks it can
    /// claim, less the most it may have paid.
    function _trueBalance() private view returns (uint256) {
        (, uint256 d0, uint256 d1, uint256 w0, uint256 w1, ) = escrow.channelState(_id(channel));
        (uint256 deposited, uint256 withdrawn) = honest == 0 ? (d0, w0) : (d1, w1);
        Signed memory received = _latest(thief);
        uint256 plus = deposited + received.proof.transferred;
        for (uint256 i = 0; i < received.locks.length; ++i) {
            plus += _knows(received.locks[i].id) ? received.locks[i].amount : 0;
        }
        return plus - withdrawn - _worst(honest);
    }

    function _knows(uint256 lockId) private view returns (bool) {
        return (preimagesKnown >> (lockId % 256)) & 1 == 1;
    }

    // ----------------------------------------------------------------------------------------------- the dispute

    function _dispute() private {
        if (_next(2) == 0) {
            _startClose(channel, honest);
        } else {
            _thiefStarts();
        }
        uint256 turn = _next(3);
        for (uint256 i = 0; i < THIEF_STEPS; ++i) {
            _thiefActs();
        }
        if (turn != 0) {
            _warp(time + _next(PERIOD / 4));
        }
        _honestActs();
        for (uint256 i = 0; i < THIEF_STEPS; ++i) {
            _thiefActs();
            if (turn == 2) {
                _warp(time + _next(PERIOD));
            }
        }
        uint256 deadline = _deadline(channel);
        if (time < deadline) {
            _warp(deadline - 1);
            _thiefActs();
            _warp(_deadline(channel));
        }
    }

    /// @dev Promised to every participant: at once, whatever the other side did, and once.
    function _honestActs() private {
        if (_recordIfHigher(thief, histories[thief].sent.length - 1, honest)) {
            ++recordings;
        }
        uint256 endorsed = histories[honest].endorsed;
        if (endorsed != 0 && _recordIfHigher(honest, endorsed, honest)) {
            ++recordings;
        }
        Signed memory received = _latest(thief);
        for (uint256 i = 0; i < received.locks.length; ++i) {
            if (_knows(received.locks[i].id)) {
                _claim(channel, thief, received.locks, i);
                ++claims;
            }
        }
    }

    /// @dev Records a proof from history in a side's name: as the payee, or with the payee's endorsement as the payer.
    function _recordIfHigher(uint256 payer, uint256 index, uint256 actor) private returns (bool) {
        Signed memory s = histories[payer].sent[index];
        (uint64 nonce, , , ) = escrow.recordedProof(_id(channel), accounts[payer]);
        if (s.proof.nonce <= nonce) {
            return false;
        }
        bytes memory signature = _signProof(channel, payer, s.proof);
        bytes memory endorsement = actor == payer ? _endorse(channel, payer, s.proof) : bytes("");
        vm.prank(accounts[actor]);
        escrow.challenge(channel, accounts[payer], s.proof, signature, endorsement, s.locks);
        return true;
    }

    function _thiefStarts() private {
        Signed memory stale = histories[honest].sent[_next(histories[honest].sent.length)];
        bytes memory signature = _signProof(channel, honest, stale.proof);
        vm.prank(accounts[thief]);
        escrow.startClose(channel, accounts[thief], 0, "", stale.proof, signature, "", stale.locks);
    }

    /// @dev Whatever it tries may revert: then it has tried in vain.
    function _thiefActs() private {
        uint256 kind = _next(7);
        bytes memory call;
        if (kind <= 1) {
            call = _thiefRecordsAsPayee();
        } else if (kind == 2) {
            call = _thiefRecordsAsPayer();
        } else if (kind <= 4) {
            call = _thiefClaimsCall();
        } else if (kind == 5) {
            call = _thiefForges();
        } else {
            call = abi.encodeCall(escrow.settle, (channel));
        }
        vm.prank(_next(2) == 0 ? accounts[thief] : signers[thief]);
        (bool success, ) = address(escrow).call(call);
        if (success && kind <= 2) {
            ++thiefRecordings;
        }
        if (success && (kind == 3 || kind == 4)) {
            ++thiefClaims;
        }
    }

    /// @dev Any proof that the honest side ever sent, if it is higher than the recorded one.
    function _thiefRecordsAsPayee() private returns (bytes memory) {
        Signed memory s = histories[honest].sent[_next(histories[honest].sent.length)];
        bytes memory signature = _signProof(channel, honest, s.proof);
        return abi.encodeCall(escrow.challenge, (channel, accounts[honest], s.proof, signature, "", s.locks));
    }

    /// @dev Its own old proofs, each with the endorsement that the honest side gave at the newest removal before it.
    function _thiefRecordsAsPayer() private returns (bytes memory) {
        Signed memory s = histories[thief].sent[_next(histories[thief].endorsed + 1)];
        bytes memory signature = _signProof(channel, thief, s.proof);
        bytes memory endorsement = _endorse(channel, thief, s.proof);
        return abi.encodeCall(escrow.challenge, (channel, accounts[thief], s.proof, signature, endorsement, s.locks));
    }

    /// @dev A newer proof that pays nothing, without the honest side's endorsement.
    function _thiefForges() private returns (bytes memory) {
        BalanceProof memory forged = _proof(uint64(100 + _next(100)), 0);
        bytes memory signature = _signProof(channel, thief, forged);
        bytes memory own = _sign(signerKeys[thief], Messages.endorsement(_id(channel), forged));
        return abi.encodeCall(escrow.challenge, (channel, accounts[thief], forged, signature, own, _noLocks()));
    }

    /// @dev All locks of the list that is recorded now, with every preimage.
    function _thiefClaimsCall() private view returns (bytes memory) {
        (uint64 nonce, , , ) = escrow.recordedProof(_id(channel), accounts[honest]);
        Lock[] memory locks = histories[honest].sent[nonce].locks;
        uint256[] memory indices = new uint256[](locks.length);
        bytes32[] memory preimages = new bytes32[](locks.length);
        for (uint256 i = 0; i < locks.length; ++i) {
            (indices[i], preimages[i]) = (i, _preimage(locks[i].id));
        }
        return abi.encodeCall(escrow.claim, (channel, accounts[honest], locks, indices, preimages));
    }

    /// @dev The thief may have settled already, once that was allowed.
    function _check(uint256 owed, uint256[3] memory before, uint256 total) private {
        if (_status(channel) == ChannelStatus.Closing) {
            vm.prank(stranger);
            escrow.settle(channel);
        }
        uint256 share = _balance(channel.token, accounts[honest]) - before[0];
        _true(share >= owed, "the honest side has its true balance");
        _eq(share + _balance(channel.token, accounts[thief]) - before[1], total, "no more and no less");
        _eq(before[2] - _balance(channel.token, address(escrow)), total, "from this channel alone");
    }

    function _balances() private view returns (uint256[3] memory) {
        return
            [
                _balance(channel.token, accounts[honest]),
                _balance(channel.token, accounts[thief]),
                _balance(channel.token, address(escrow))
            ];
    }

    function _total() private view returns (uint256) {
        (, uint256 d0, uint256 d1, uint256 w0, uint256 w1, ) = escrow.channelState(_id(channel));
        return d0 + d1 - w0 - w1;
    }

    // -------------------------------------------------------------------------------------------------- chance

    function _random() private returns (uint256) {
        random = uint256(keccak256(abi.encode(random)));
        return random;
    }

    function _next(uint256 bound) private returns (uint256) {
        return _random() % bound;
    }
}
