// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {BalanceProof, Channel, ChannelStatus, IChannelEscrow, Lock} from "./interfaces/IChannelEscrow.sol";
import {IReceiveWithAuthorization} from "./interfaces/IReceiveWithAuthorization.sol";
import {LockList} from "./libraries/LockList.sol";
import {Payout} from "./libraries/Payout.sol";
import {ProofHead, Record, Records} from "./libraries/Records.sol";
import {Settlement} from "./libraries/Settlement.sol";
import {SignedTypes} from "./libraries/SignedTypes.sol";

/// @title ChannelEscrow
/// @notice See {IChannelEscrow}.
contract ChannelEscrow is IChannelEscrow, EIP712, Multicall, ReentrancyGuardTransient {
    using LockList for Lock[];
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @dev Cumulative; both together never exceed the deposits.
    struct Withdrawals {
        uint104 total0;
        uint104 total1;
    }

    /// @dev What is recorded of one payer's direction.
    struct Direction {
        uint256 head; // a packed ProofHead
        bytes32 locksRoot;
        uint128 claimed;
    }

    /// @inheritdoc IChannelEscrow
    uint256 public constant MAX_CHALLENGE_PERIOD = 30 days;
    /// @inheritdoc IChannelEscrow
    uint256 public constant MAX_LOCKS = LockList.MAX_LOCKS;
    /// @inheritdoc IChannelEscrow
    uint256 public constant NATIVE_PAYOUT_GAS = Payout.NATIVE_GAS;
    /// @inheritdoc IChannelEscrow
    uint256 public constant TOKEN_PAYOUT_GAS = Payout.TOKEN_GAS;

    mapping(bytes32 channelId => uint256 record) private _records;
    mapping(bytes32 channelId => Withdrawals) private _withdrawals;
    mapping(bytes32 channelId => mapping(address payer => Direction)) private _directions;
    mapping(bytes32 lockKey => bool) private _claimedLocks;
    mapping(address token => mapping(address account => uint256)) private _payouts;

    constructor() EIP712("Rivulet", "1") {}

    // ------------------------------------------------------------------------------------------------ deposits

    /// @inheritdoc IChannelEscrow
    function deposit(Channel calldata channel, address participant, uint256 amount) external payable nonReentrant {
        uint256 expected = channel.token == address(0) ? amount : 0;
        if (msg.value != expected) {
            revert ChannelEscrow_WrongValue(msg.value, expected);
        }
        _credit(channel, participant, amount);
        if (channel.token != address(0)) {
            _pull(channel.token, amount);
        }
    }

    /// @inheritdoc IChannelEscrow
    function depositWithPermit(
        Channel calldata channel,
        address participant,
        uint256 amount,
        uint256 permitDeadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        _requireToken(channel.token);
        _credit(channel, participant, amount);
        try IERC20Permit(channel.token).permit(msg.sender, address(this), amount, permitDeadline, v, r, s) {} catch {}
        _pull(channel.token, amount);
    }

    /// @inheritdoc IChannelEscrow
    function depositWithAuthorization(
        Channel calldata channel,
        address participant,
        uint256 amount,
        address from,
        bytes32 salt,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external nonReentrant {
        _requireToken(channel.token);
        bytes32 channelId = _credit(channel, participant, amount);
        bytes32 nonce = keccak256(abi.encode(channelId, participant, salt));
        uint256 expectedBalance = IERC20(channel.token).balanceOf(address(this)) + amount;
        IReceiveWithAuthorization token = IReceiveWithAuthorization(channel.token);
        if (signature.length == 65) {
            (bytes32 r, bytes32 s) = abi.decode(signature[:64], (bytes32, bytes32));
            uint8 v = uint8(signature[64]);
            token.receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, v, r, s);
        } else {
            token.receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, signature);
        }
        _requireArrived(channel.token, expectedBalance);
    }

    // -------------------------------------------------------------------------------------- by both signatures

    /// @inheritdoc IChannelEscrow
    function withdraw(
        Channel calldata channel,
        address participant,
        uint256 totalWithdrawn,
        uint256 deadline,
        bytes calldata signature0,
        bytes calldata signature1
    ) external nonReentrant {
        bytes32 channelId = channelIdOf(channel);
        Record memory record = Records.unpack(_records[channelId]);
        if (record.status != ChannelStatus.Open) {
            revert ChannelEscrow_WrongStatus(channelId, record.status);
        }
        Withdrawals memory totals = _withdrawals[channelId];
        bool isFirst = _isFirst(channel, participant);
        (uint256 present, uint256 others) = isFirst ? (totals.total0, totals.total1) : (totals.total1, totals.total0);
        if (totalWithdrawn <= present) {
            return;
        }
        uint256 available = record.deposit0 + record.deposit1 - others;
        if (totalWithdrawn > available) {
            revert ChannelEscrow_WithdrawalTooLarge(totalWithdrawn, available);
        }
        _requireInTime(deadline);
        bytes32 structHash = SignedTypes.withdrawal(channelId, participant, totalWithdrawn, deadline);
        _requireBoth(channel, structHash, signature0, signature1);

        if (isFirst) {
            _withdrawals[channelId].total0 = totalWithdrawn.toUint104();
        } else {
            _withdrawals[channelId].total1 = totalWithdrawn.toUint104();
        }
        emit Withdrawn(channelId, participant, totalWithdrawn);
        _pay(channelId, channel.token, participant, totalWithdrawn - present);
    }

    /// @inheritdoc IChannelEscrow
    function closeCooperatively(
        Channel calldata channel,
        uint256 transferred0,
        uint256 transferred1,
        uint256 deadline,
        bytes calldata signature0,
        bytes calldata signature1
    ) external nonReentrant {
        bytes32 channelId = channelIdOf(channel);
        Record memory record = Records.unpack(_records[channelId]);
        if (record.status != ChannelStatus.Open && record.status != ChannelStatus.Closing) {
            revert ChannelEscrow_WrongStatus(channelId, record.status);
        }
        _requireInTime(deadline);
        bytes32 structHash = SignedTypes.cooperativeClose(channelId, transferred0, transferred1, deadline);
        _requireBoth(channel, structHash, signature0, signature1);
        _payOut(channel, channelId, record, transferred0, transferred1, true);
    }

    // --------------------------------------------------------------------------------------- by one side alone

    /// @inheritdoc IChannelEscrow
    function startClose(
        Channel calldata channel,
        address closer,
        uint256 deadline,
        bytes calldata closeSignature,
        BalanceProof calldata proof,
        bytes calldata signature,
        bytes calldata endorsement,
        Lock[] calldata locks
    ) external nonReentrant {
        bytes32 channelId = channelIdOf(channel);
        Record memory record = Records.unpack(_records[channelId]);
        address payer = _isFirst(channel, closer) ? channel.participant1 : channel.participant0;
        if (record.status == ChannelStatus.Open) {
            _authorizeClose(channel, channelId, closer, deadline, closeSignature);
            record.status = ChannelStatus.Closing;
            record.deadline = block.timestamp + channel.challengePeriod;
            _records[channelId] = Records.pack(record);
            emit CloseStarted(channelId, closer, record.deadline);
        } else {
            _requireChallengePeriod(channelId, record);
        }
        if (proof.nonce != 0) {
            _recordProof(channel, channelId, record, payer, proof, signature, endorsement, locks);
        }
    }

    /// @inheritdoc IChannelEscrow
    function challenge(
        Channel calldata channel,
        address payer,
        BalanceProof calldata proof,
        bytes calldata signature,
        bytes calldata endorsement,
        Lock[] calldata locks
    ) external nonReentrant {
        bytes32 channelId = channelIdOf(channel);
        Record memory record = Records.unpack(_records[channelId]);
        _requireChallengePeriod(channelId, record);
        _recordProof(channel, channelId, record, payer, proof, signature, endorsement, locks);
    }

    /// @inheritdoc IChannelEscrow
    function claim(
        Channel calldata channel,
        address payer,
        Lock[] calldata locks,
        uint256[] calldata indices,
        bytes32[] calldata preimages
    ) external nonReentrant {
        bytes32 channelId = channelIdOf(channel);
        ChannelStatus status = Records.unpack(_records[channelId]).status;
        if (status != ChannelStatus.Closing) {
            revert ChannelEscrow_WrongStatus(channelId, status);
        }
        _isFirst(channel, payer);
        if (indices.length != preimages.length) {
            revert ChannelEscrow_LengthMismatch(indices.length, preimages.length);
        }
        Direction storage direction = _directions[channelId][payer];
        locks.requireRoot(direction.locksRoot);

        uint256 gained = 0;
        for (uint256 i = 0; i < indices.length; ++i) {
            if (indices[i] < locks.length) {
                gained += _claimLock(channelId, payer, locks[indices[i]], preimages[i]);
            }
        }
        if (gained != 0) {
            direction.claimed = _saturate(direction.claimed + gained);
        }
    }

    /// @inheritdoc IChannelEscrow
    function settle(Channel calldata channel) external nonReentrant {
        bytes32 channelId = channelIdOf(channel);
        Record memory record = Records.unpack(_records[channelId]);
        if (record.status != ChannelStatus.Closing) {
            revert ChannelEscrow_WrongStatus(channelId, record.status);
        }
        if (block.timestamp < record.deadline) {
            revert ChannelEscrow_ChallengePeriodRunning(record.deadline, block.timestamp);
        }
        uint256 transferred0 = _recordedTotal(channelId, channel.participant0);
        uint256 transferred1 = _recordedTotal(channelId, channel.participant1);
        _payOut(channel, channelId, record, transferred0, transferred1, false);
    }

    /// @inheritdoc IChannelEscrow
    function withdrawPayout(address token, address account, address to) external nonReentrant {
        if (to != account && msg.sender != account) {
            revert ChannelEscrow_NotAccount(msg.sender, account);
        }
        if (to == address(0)) {
            revert ChannelEscrow_ZeroReceiver();
        }
        uint256 amount = _payouts[token][account];
        if (amount == 0) {
            revert ChannelEscrow_NoPayout(token, account);
        }
        _payouts[token][account] = 0;
        emit PayoutWithdrawn(token, account, to, amount);
        if (!Payout.transfer(token, to, amount, gasleft())) {
            revert ChannelEscrow_PayoutFailed(token, to, amount);
        }
    }

    // --------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IChannelEscrow
    function channelState(
        bytes32 channelId
    )
        external
        view
        returns (
            ChannelStatus status,
            uint256 deposit0,
            uint256 deposit1,
            uint256 withdrawn0,
            uint256 withdrawn1,
            uint256 deadline
        )
    {
        Record memory record = Records.unpack(_records[channelId]);
        Withdrawals memory totals = _withdrawals[channelId];
        return (record.status, record.deposit0, record.deposit1, totals.total0, totals.total1, record.deadline);
    }

    /// @inheritdoc IChannelEscrow
    function recordedProof(
        bytes32 channelId,
        address payer
    ) external view returns (uint64 nonce, uint256 transferred, uint256 claimed, bytes32 locksRoot) {
        Direction memory direction = _directions[channelId][payer];
        ProofHead memory head = Records.unpackHead(direction.head);
        return (uint64(head.nonce), head.transferred, direction.claimed, direction.locksRoot);
    }

    /// @inheritdoc IChannelEscrow
    function isClaimed(bytes32 channelId, address payer, Lock calldata lock) external view returns (bool) {
        return _claimedLocks[LockList.keyOf(channelId, payer, lock)];
    }

    /// @inheritdoc IChannelEscrow
    function payoutOf(address token, address account) external view returns (uint256) {
        return _payouts[token][account];
    }

    /// @inheritdoc IChannelEscrow
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @inheritdoc IChannelEscrow
    function channelIdOf(Channel calldata channel) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), channel));
    }

    // ------------------------------------------------------------------------------------------- deposits' parts

    /// @dev Adds to a participant's deposit, opening the channel if it is new. The caller then collects the amount.
    function _credit(
        Channel calldata channel,
        address participant,
        uint256 amount
    ) private returns (bytes32 channelId) {
        if (amount == 0) {
            revert ChannelEscrow_ZeroDeposit();
        }
        channelId = channelIdOf(channel);
        Record memory record = Records.unpack(_records[channelId]);
        if (record.status == ChannelStatus.None) {
            _requireValid(channel);
            record.status = ChannelStatus.Open;
            emit ChannelOpened(channelId, channel.participant0, channel.participant1, channel);
        } else if (record.status != ChannelStatus.Open) {
            revert ChannelEscrow_WrongStatus(channelId, record.status);
        }
        uint256 total;
        if (_isFirst(channel, participant)) {
            total = record.deposit0 + amount;
            record.deposit0 = total;
        } else {
            total = record.deposit1 + amount;
            record.deposit1 = total;
        }
        _records[channelId] = Records.pack(record);
        emit Deposited(channelId, participant, total);
    }

    /// @dev Takes tokens from the caller, never from anyone else: a standing allowance is its owner's alone to use.
    function _pull(address token, uint256 amount) private {
        uint256 expectedBalance = IERC20(token).balanceOf(address(this)) + amount;
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        _requireArrived(token, expectedBalance);
    }

    function _requireArrived(address token, uint256 expectedBalance) private view {
        uint256 balance = IERC20(token).balanceOf(address(this));
        if (balance != expectedBalance) {
            revert ChannelEscrow_DepositNotArrived(balance, expectedBalance);
        }
    }

    function _requireToken(address token) private pure {
        if (token == address(0)) {
            revert ChannelEscrow_NativeToken();
        }
    }

    /// @dev Needed once, when the channel opens: afterwards its id vouches for the tuple.
    function _requireValid(Channel calldata channel) private pure {
        if (channel.participant0 == address(0) || channel.participant0 >= channel.participant1) {
            revert ChannelEscrow_InvalidParticipants(channel.participant0, channel.participant1);
        }
        address signer0 = _signerOf(channel, true);
        if (signer0 == _signerOf(channel, false)) {
            revert ChannelEscrow_SameSigner(signer0);
        }
        if (channel.challengePeriod > MAX_CHALLENGE_PERIOD) {
            revert ChannelEscrow_ChallengePeriodTooLong(channel.challengePeriod, MAX_CHALLENGE_PERIOD);
        }
    }

    // --------------------------------------------------------------------------------------------- closes' parts

    function _authorizeClose(
        Channel calldata channel,
        bytes32 channelId,
        address closer,
        uint256 deadline,
        bytes calldata closeSignature
    ) private view {
        address signer = _signerOf(channel, _isFirst(channel, closer));
        if (closeSignature.length == 0) {
            if (msg.sender != closer && msg.sender != signer) {
                revert ChannelEscrow_NotCloser(msg.sender);
            }
            return;
        }
        _requireInTime(deadline);
        if (!_isSignedBy(signer, SignedTypes.startClose(channelId, deadline), closeSignature)) {
            revert ChannelEscrow_InvalidSignature(signer);
        }
    }

    /// @dev Records a proof of the payer's direction, and moves the close's deadline to its latest lock.
    function _recordProof(
        Channel calldata channel,
        bytes32 channelId,
        Record memory record,
        address payer,
        BalanceProof calldata proof,
        bytes calldata signature,
        bytes calldata endorsement,
        Lock[] calldata locks
    ) private {
        bool payerIsFirst = _isFirst(channel, payer);
        Direction storage direction = _directions[channelId][payer];
        ProofHead memory recorded = Records.unpackHead(direction.head);
        if (proof.nonce <= recorded.nonce) {
            if (_isRecorded(direction, recorded, proof)) {
                return;
            }
            revert ChannelEscrow_NonceNotHigher(proof.nonce, uint64(recorded.nonce));
        }
        _authorizeProof(channel, channelId, payerIsFirst, proof, signature, endorsement);

        uint256 latestExpiry = locks.validate(proof.locksRoot, proof.locked);
        if (locks.length != 0 || recorded.hasLocks) {
            direction.locksRoot = proof.locksRoot;
            // Before the first proof of a direction there was nothing to claim.
            if (recorded.nonce != 0) {
                direction.claimed = _claimedOf(channelId, payer, locks);
            }
        }
        direction.head = Records.packHead(ProofHead(proof.nonce, proof.transferred, locks.length != 0));
        if (latestExpiry > record.deadline) {
            record.deadline = latestExpiry;
            _records[channelId] = Records.pack(record);
        }
        emit ProofRecorded(channelId, payer, proof.nonce, proof.transferred, proof.locked, record.deadline);
    }

    /// @dev The payer must have signed the proof, and the payee must want it recorded: a payer could otherwise sign a
    /// newer, smaller proof against an absent payee.
    function _authorizeProof(
        Channel calldata channel,
        bytes32 channelId,
        bool payerIsFirst,
        BalanceProof calldata proof,
        bytes calldata signature,
        bytes calldata endorsement
    ) private view {
        address payerSigner = _signerOf(channel, payerIsFirst);
        if (!_isSignedBy(payerSigner, SignedTypes.balanceProof(channelId, proof), signature)) {
            revert ChannelEscrow_InvalidSignature(payerSigner);
        }
        address payee = payerIsFirst ? channel.participant1 : channel.participant0;
        address payeeSigner = _signerOf(channel, !payerIsFirst);
        if (msg.sender == payee || msg.sender == payeeSigner) {
            return;
        }
        if (!_isSignedBy(payeeSigner, SignedTypes.endorsement(channelId, proof), endorsement)) {
            revert ChannelEscrow_NotEndorsed(payeeSigner);
        }
    }

    /// @dev Whether a proof would change nothing. Its sum of locks is in its root, its history is not stored.
    function _isRecorded(
        Direction storage direction,
        ProofHead memory recorded,
        BalanceProof calldata proof
    ) private view returns (bool) {
        return
            recorded.nonce != 0 &&
            proof.nonce == recorded.nonce &&
            proof.transferred == recorded.transferred &&
            proof.locksRoot == direction.locksRoot;
    }

    /// @dev Sum of the locks on a list that were claimed under earlier proofs.
    function _claimedOf(bytes32 channelId, address payer, Lock[] calldata locks) private view returns (uint128) {
        uint256 sum = 0;
        for (uint256 i = 0; i < locks.length; ++i) {
            if (_claimedLocks[LockList.keyOf(channelId, payer, locks[i])]) {
                sum += locks[i].amount;
            }
        }
        return _saturate(sum);
    }

    /// @dev Returns what the claim adds: nothing if the lock has expired, was claimed, or has another preimage.
    function _claimLock(
        bytes32 channelId,
        address payer,
        Lock calldata lock,
        bytes32 preimage
    ) private returns (uint256) {
        if (block.timestamp >= lock.expiry || sha256(abi.encode(preimage)) != lock.hash) {
            return 0;
        }
        bytes32 key = LockList.keyOf(channelId, payer, lock);
        if (_claimedLocks[key]) {
            return 0;
        }
        _claimedLocks[key] = true;
        emit LockClaimed(channelId, payer, lock.id, preimage);
        return lock.amount;
    }

    function _recordedTotal(bytes32 channelId, address payer) private view returns (uint256 total) {
        Direction storage direction = _directions[channelId][payer];
        ProofHead memory head = Records.unpackHead(direction.head);
        total = head.transferred;
        if (head.hasLocks) {
            total += direction.claimed;
        }
    }

    function _requireChallengePeriod(bytes32 channelId, Record memory record) private view {
        if (record.status != ChannelStatus.Closing) {
            revert ChannelEscrow_WrongStatus(channelId, record.status);
        }
        if (block.timestamp >= record.deadline) {
            revert ChannelEscrow_ChallengePeriodOver(record.deadline, block.timestamp);
        }
    }

    // -------------------------------------------------------------------------------------------------- payouts

    /// @dev Ends the channel, leaving the tombstone, then pays both sides.
    function _payOut(
        Channel calldata channel,
        bytes32 channelId,
        Record memory record,
        uint256 transferred0,
        uint256 transferred1,
        bool cooperative
    ) private {
        Withdrawals memory totals = _withdrawals[channelId];
        (uint256 share0, uint256 share1) = Settlement.shares(
            record.deposit0,
            record.deposit1,
            totals.total0,
            totals.total1,
            transferred0,
            transferred1
        );
        _records[channelId] = Records.pack(Record(0, 0, 0, ChannelStatus.Settled));
        delete _withdrawals[channelId];
        emit Settled(channelId, share0, share1, cooperative);
        _pay(channelId, channel.token, channel.participant0, share0);
        _pay(channelId, channel.token, channel.participant1, share1);
    }

    function _pay(bytes32 channelId, address token, address account, uint256 amount) private {
        if (amount == 0) {
            return;
        }
        if (!Payout.tryTransfer(token, account, amount)) {
            _payouts[token][account] += amount;
            emit PayoutCredited(channelId, token, account, amount);
        }
    }

    // ------------------------------------------------------------------------------------------ who and by whom

    /// @dev True for participant 0, false for participant 1; reverts for anyone else.
    function _isFirst(Channel calldata channel, address account) private pure returns (bool) {
        if (account == channel.participant0) {
            return true;
        }
        if (account != channel.participant1) {
            revert ChannelEscrow_NotParticipant(account);
        }
        return false;
    }

    function _signerOf(Channel calldata channel, bool isFirst) private pure returns (address) {
        (address signer, address participant) = isFirst
            ? (channel.signer0, channel.participant0)
            : (channel.signer1, channel.participant1);
        return signer == address(0) ? participant : signer;
    }

    function _requireInTime(uint256 deadline) private view {
        if (block.timestamp > deadline) {
            revert ChannelEscrow_DeadlinePassed(deadline, block.timestamp);
        }
    }

    function _requireBoth(
        Channel calldata channel,
        bytes32 structHash,
        bytes calldata signature0,
        bytes calldata signature1
    ) private view {
        _requireApproval(_signerOf(channel, true), structHash, signature0);
        _requireApproval(_signerOf(channel, false), structHash, signature1);
    }

    /// @dev ECDSA first: an account with EIP-7702 code signs with its key as before, whatever its code says.
    function _requireApproval(address signer, bytes32 structHash, bytes calldata signature) private view {
        if (_isSignedBy(signer, structHash, signature)) {
            return;
        }
        bytes32 digest = _hashTypedDataV4(structHash);
        if (!SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature)) {
            revert ChannelEscrow_InvalidSignature(signer);
        }
    }

    /// @dev ECDSA, 65 bytes, low s.
    function _isSignedBy(address signer, bytes32 structHash, bytes calldata signature) private view returns (bool) {
        (address recovered, ECDSA.RecoverError failure, ) = ECDSA.tryRecoverCalldata(
            _hashTypedDataV4(structHash),
            signature
        );
        return failure == ECDSA.RecoverError.NoError && recovered == signer;
    }

    function _saturate(uint256 value) private pure returns (uint128) {
        return value > type(uint128).max ? type(uint128).max : uint128(value);
    }
}
