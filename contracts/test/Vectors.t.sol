// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BalanceProof, Channel, IChannelEscrow, Lock} from "../interfaces/IChannelEscrow.sol";
import {LockList} from "../libraries/LockList.sol";
import {Settlement} from "../libraries/Settlement.sol";
import {SignedTypes} from "../libraries/SignedTypes.sol";
import {EscrowTest} from "./support/EscrowTest.sol";
import {Messages} from "./support/Messages.sol";
import {vm} from "./support/Vm.sol";

/// @title The escrow's own libraries, callable with calldata
contract Libraries {
    function balanceProof(bytes32 id, BalanceProof calldata proof) external pure returns (bytes32) {
        return SignedTypes.balanceProof(id, proof);
    }

    function endorsement(bytes32 id, BalanceProof calldata proof) external pure returns (bytes32) {
        return SignedTypes.endorsement(id, proof);
    }

    function rootOf(Lock[] calldata locks) external pure returns (bytes32) {
        return LockList.rootOf(locks);
    }
}

/// @title Golden vectors shared with TypeScript
/// @dev The escrow's code stands at the vectors' address on the vectors' chain, so that what is checked is what ships.
contract VectorsTest is EscrowTest {
    string private json;
    Libraries private libraries;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("test/vectors/escrow.json");
        libraries = new Libraries();
        vm.chainId(_uint(".chainId"));
        address place = vm.parseJsonAddress(json, ".escrow");
        vm.etch(place, address(escrow).code);
        escrow = IChannelEscrow(place);
    }

    function test_DomainSeparator() external view {
        bytes32 expected = _bytes32(".domain.separator");
        _eq(escrow.domainSeparator(), expected, "escrow");
        _eq(Messages.domainSeparator(block.chainid, address(escrow)), expected, "second writing");
    }

    function test_ChannelIds() external view {
        uint256 count = 0;
        for (; vm.keyExistsJson(json, _at(".channels", count, "")); ++count) {
            Channel memory channel = _channel(count);
            bytes32 expected = _bytes32(_at(".channels", count, ".channelId"));
            _eq(escrow.channelIdOf(channel), expected, "escrow");
            _eq(_id(channel), expected, "second writing");
        }
        _true(count >= 4, "all read");
    }

    function test_LockLists() external view {
        uint256 count = 0;
        for (; vm.keyExistsJson(json, _at(".lockLists", count, "")); ++count) {
            string memory entry = _at(".lockLists", count, "");
            Lock[] memory locks = _lockList(entry);
            _eq(libraries.rootOf(locks), _bytes32(string.concat(entry, ".root")), "escrow");
            _eq(Messages.locksRoot(locks), _bytes32(string.concat(entry, ".root")), "second writing");
            _eq(Messages.lockedSum(locks), _uint(string.concat(entry, ".sum")), "sum");
            bytes memory packed = vm.parseJsonBytes(json, string.concat(entry, ".packed"));
            _eq(keccak256(Messages.packLocks(locks)), keccak256(packed), "packing");
        }
        _true(count >= 5, "all read");
    }

    function test_SignedTypes() external view {
        uint256 count = 0;
        for (; vm.keyExistsJson(json, _at(".signed", count, "")); ++count) {
            string memory entry = _at(".signed", count, "");
            bytes32 structHash = _structHash(entry);
            _eq(structHash, _bytes32(string.concat(entry, ".structHash")), "struct hash");
            bytes32 digest = Messages.digest(escrow.domainSeparator(), structHash);
            _eq(digest, _bytes32(string.concat(entry, ".digest")), "digest");
            bytes memory signature = vm.parseJsonBytes(json, string.concat(entry, ".signature"));
            uint256 key = uint256(_bytes32(string.concat(entry, ".privateKey")));
            _eq(keccak256(_sign(key, structHash)), keccak256(signature), "signature");
        }
        _true(count >= 7, "all read");
    }

    function test_Settlements() external view {
        uint256 count = 0;
        for (; vm.keyExistsJson(json, _at(".settlements", count, "")); ++count) {
            string memory entry = _at(".settlements", count, "");
            (uint256 share0, uint256 share1) = Settlement.shares(
                _uint(string.concat(entry, ".deposit0")),
                _uint(string.concat(entry, ".deposit1")),
                _uint(string.concat(entry, ".withdrawn0")),
                _uint(string.concat(entry, ".withdrawn1")),
                _uint(string.concat(entry, ".transferred0")),
                _uint(string.concat(entry, ".transferred1"))
            );
            _eq(share0, _uint(string.concat(entry, ".share0")), "share0");
            _eq(share1, _uint(string.concat(entry, ".share1")), "share1");
        }
        _true(count >= 14, "all read");
    }

    /// @dev The escrow itself takes the vectors' signatures, not only its libraries.
    function test_TheEscrowAcceptsTheSignatures() external {
        _warp(1_700_000_000);
        Channel memory channel = _channel(0);
        vm.etch(channel.token, address(token).code);
        (bool minted, ) = channel.token.call(abi.encodeCall(token.mint, (address(this), 1000)));
        (bool approved, ) = channel.token.call(abi.encodeCall(token.approve, (address(escrow), 1000)));
        _true(minted && approved, "funded");
        escrow.deposit(channel, channel.participant0, 1000);

        bytes memory close = vm.parseJsonBytes(json, ".signed[6].signature");
        escrow.startClose(channel, channel.participant0, 1_800_000_000, close, _none(), "", "", _noLocks());
        bytes memory signature = vm.parseJsonBytes(json, ".signed[1].signature");
        BalanceProof memory proof = _proofAt(".signed[1]");
        Lock[] memory locks = _lockList(".lockLists[2]");
        vm.prank(channel.participant1);
        escrow.challenge(channel, channel.participant0, proof, signature, "", locks);
        (uint64 nonce, , , bytes32 root) = escrow.recordedProof(_id(channel), channel.participant0);
        _eq(nonce, type(uint64).max, "nonce");
        _eq(root, _bytes32(".lockLists[2].root"), "root");
        _eq(_deadline(channel), 1_900_000_000, "latest expiry");
    }

    function _structHash(string memory entry) private view returns (bytes32) {
        bytes32 kind = keccak256(bytes(_text(entry)));
        bytes32 id = _bytes32(string.concat(entry, ".message.channelId"));
        if (kind == keccak256("BalanceProof")) {
            bytes32 own = libraries.balanceProof(id, _proofAt(entry));
            _eq(Messages.proof(id, _proofAt(entry)), own, "second writing");
            return own;
        }
        if (kind == keccak256("Endorsement")) {
            bytes32 own = libraries.endorsement(id, _proofAt(entry));
            _eq(Messages.endorsement(id, _proofAt(entry)), own, "second writing");
            return own;
        }
        uint256 deadline = _uint(string.concat(entry, ".message.deadline"));
        if (kind == keccak256("Withdrawal")) {
            address participant = vm.parseJsonAddress(json, string.concat(entry, ".message.participant"));
            uint256 total = _uint(string.concat(entry, ".message.totalWithdrawn"));
            _eq(
                SignedTypes.withdrawal(id, participant, total, deadline),
                Messages.withdrawal(id, participant, total, deadline),
                "second writing"
            );
            return SignedTypes.withdrawal(id, participant, total, deadline);
        }
        if (kind == keccak256("CooperativeClose")) {
            uint256 t0 = _uint(string.concat(entry, ".message.transferred0"));
            uint256 t1 = _uint(string.concat(entry, ".message.transferred1"));
            _eq(
                SignedTypes.cooperativeClose(id, t0, t1, deadline),
                Messages.cooperativeClose(id, t0, t1, deadline),
                "second writing"
            );
            return SignedTypes.cooperativeClose(id, t0, t1, deadline);
        }
        _eq(SignedTypes.startClose(id, deadline), Messages.startClose(id, deadline), "second writing");
        return SignedTypes.startClose(id, deadline);
    }

    /// @dev The type's name is the encoded type up to its first parenthesis.
    function _text(string memory entry) private view returns (string memory) {
        bytes32 typeHash = _bytes32(string.concat(entry, ".typeHash"));
        string[5] memory names = ["BalanceProof", "Endorsement", "Withdrawal", "CooperativeClose", "StartClose"];
        bytes32[5] memory hashes = [
            SignedTypes.BALANCE_PROOF_TYPEHASH,
            SignedTypes.ENDORSEMENT_TYPEHASH,
            SignedTypes.WITHDRAWAL_TYPEHASH,
            SignedTypes.COOPERATIVE_CLOSE_TYPEHASH,
            SignedTypes.START_CLOSE_TYPEHASH
        ];
        for (uint256 i = 0; i < hashes.length; ++i) {
            if (hashes[i] == typeHash) {
                return names[i];
            }
        }
        revert NotTrue("a known type hash");
    }

    function _channel(uint256 index) private view returns (Channel memory channel) {
        string memory place = _at(".channels", index, ".channel");
        channel.participant0 = vm.parseJsonAddress(json, string.concat(place, ".participant0"));
        channel.participant1 = vm.parseJsonAddress(json, string.concat(place, ".participant1"));
        channel.signer0 = vm.parseJsonAddress(json, string.concat(place, ".signer0"));
        channel.signer1 = vm.parseJsonAddress(json, string.concat(place, ".signer1"));
        channel.token = vm.parseJsonAddress(json, string.concat(place, ".token"));
        channel.challengePeriod = uint32(_uint(string.concat(place, ".challengePeriod")));
        channel.salt = uint64(_uint(string.concat(place, ".salt")));
    }

    function _proofAt(string memory entry) private view returns (BalanceProof memory proof) {
        string memory place = string.concat(entry, ".message");
        proof.nonce = uint64(_uint(string.concat(place, ".nonce")));
        proof.transferred = _uint(string.concat(place, ".transferred"));
        proof.locked = _uint(string.concat(place, ".locked"));
        proof.locksRoot = _bytes32(string.concat(place, ".locksRoot"));
        proof.history = _bytes32(string.concat(place, ".history"));
    }

    function _lockList(string memory entry) private view returns (Lock[] memory locks) {
        uint256 count = 0;
        while (vm.keyExistsJson(json, _at(string.concat(entry, ".locks"), count, ""))) {
            ++count;
        }
        locks = new Lock[](count);
        for (uint256 i = 0; i < count; ++i) {
            string memory place = _at(string.concat(entry, ".locks"), i, "");
            bytes32 preimage = _bytes32(string.concat(place, ".preimage"));
            locks[i] = Lock(
                uint64(_uint(string.concat(place, ".id"))),
                uint128(_uint(string.concat(place, ".amount"))),
                uint64(_uint(string.concat(place, ".expiry"))),
                _bytes32(string.concat(place, ".hash"))
            );
            _eq(sha256(abi.encodePacked(preimage)), locks[i].hash, "preimage");
        }
    }

    function _at(string memory list, uint256 index, string memory field) private pure returns (string memory) {
        return string.concat(list, "[", _decimal(index), "]", field);
    }

    function _decimal(uint256 value) private pure returns (string memory) {
        bytes memory digits = value < 10 ? new bytes(1) : new bytes(2);
        digits[digits.length - 1] = bytes1(uint8(48 + (value % 10)));
        if (value >= 10) {
            digits[0] = bytes1(uint8(48 + (value / 10)));
        }
        return string(digits);
    }

    function _uint(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, key);
    }

    function _bytes32(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, key);
    }
}
