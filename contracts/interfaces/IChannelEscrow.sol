// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice The immutable terms of a channel. Never stored: hashed to the channel's id and passed in calldata.
/// @param participant0 Owner of one side, not zero, below `participant1`.
/// @param participant1 Owner of the other side.
/// @param signer0 Key that signs for participant 0; zero when the participant itself does.
/// @param signer1 Key that signs for participant 1; zero when the participant itself does. The two effective signers
/// differ, because a balance proof's direction is told by nothing but its signer.
/// @param token ERC-20 token, or zero for the chain's native coin.
/// @param challengePeriod Seconds from the start of a unilateral close to its deadline, at most 30 days.
/// @param salt Tells channels of the same terms apart.
struct Channel {
    address participant0;
    address participant1;
    address signer0;
    address signer1;
    address token;
    uint32 challengePeriod;
    uint64 salt;
}

/// @notice A payer's statement of all it has paid and has locked in one direction of one channel.
/// @param nonce Sequence number in this direction, from 1.
/// @param transferred Cumulative amount paid, in base units.
/// @param locked Sum of the pending locks, in base units.
/// @param locksRoot keccak256 of the packed lock list; zero when there is none.
/// @param history Hash chain over all payments of the direction. Not interpreted on chain.
struct BalanceProof {
    uint64 nonce;
    uint256 transferred;
    uint256 locked;
    bytes32 locksRoot;
    bytes32 history;
}

/// @notice An amount that becomes the payee's if the preimage of `hash` is shown before `expiry`.
/// @param id Position in the direction's sequence of locks, from 1, never used twice.
/// @param amount Amount in base units.
/// @param expiry Unix seconds; claimable while the block's timestamp is below it.
/// @param hash SHA-256 of the 32-byte preimage.
struct Lock {
    uint64 id;
    uint128 amount;
    uint64 expiry;
    bytes32 hash;
}

/// @notice None: no deposit yet. Open: usable. Closing: a unilateral close is running. Settled: paid out, for ever.
enum ChannelStatus {
    None,
    Open,
    Closing,
    Settled
}

/// @title Escrow of payment channels
/// @notice Holds every channel of one chain, in every token. It has no owner, no fee, no pause and no upgrade. What a
/// channel pays out is decided by its two participants' signatures and by the chain's clock, by nobody else.
///
/// @dev Signed types (EIP-712, domain `Rivulet`, version `1`):
/// - `BalanceProof(bytes32 channelId,uint64 nonce,uint256 transferred,uint256 locked,bytes32 locksRoot,bytes32 history)`
/// - `Endorsement(bytes32 channelId,uint64 nonce,uint256 transferred,uint256 locked,bytes32 locksRoot,bytes32 history)`
/// - `Withdrawal(bytes32 channelId,address participant,uint256 totalWithdrawn,uint256 deadline)`
/// - `CooperativeClose(bytes32 channelId,uint256 transferred0,uint256 transferred1,uint256 deadline)`
/// - `StartClose(bytes32 channelId,uint256 deadline)`
///
/// BalanceProof, Endorsement and StartClose are ECDSA signatures, 65 bytes with low s, by the effective signer.
/// Withdrawal and CooperativeClose are tried as ECDSA first and as ERC-1271 after, so that an account with EIP-7702
/// code still verifies by its key.
///
/// A lock list is packed as `abi.encodePacked(uint64 id, uint128 amount, uint64 expiry, bytes32 hash)` per lock.
///
/// Token assumptions. Nothing below is checked when a channel opens; node policy has to:
/// - `transfer` and `transferFrom` move exactly the stated amount, and a holder's balance changes by nothing but
///   transfers. A fee taken from the amount on the way in reverts the deposit; a fee on the way out costs the receiver;
///   a fee on top of a transfer out, or a balance that shrinks by itself, would be paid by the other channels in that
///   token.
/// - It returns `true` or nothing. `false`, a revert and malformed data all count as a failed transfer.
/// - A transfer takes at most `TOKEN_PAYOUT_GAS`; one that takes more is credited and delivered by {withdrawPayout}.
/// - Its code stays. To an address without code no deposit and no payout succeeds.
/// - It may block accounts: such a payout waits in {payoutOf} and its account may name another receiver. A token that
///   blocks the escrow blocks all channels in that token and in no other.
///
/// Warnings:
/// - A participant that is a contract and names no signer cannot have its balance proofs verified: it could close
///   cooperatively, but never defend itself. Nodes refuse such a channel.
/// - A proof's `transferred` at or beyond 2^128 or a lock's expiry at or beyond 2^40 cannot be recorded. Payees refuse
///   such proofs.
/// - Anyone may add to anyone's deposit, including the deposit that opens the channel.
interface IChannelEscrow {
    // ------------------------------------------------------------------------------------------------- events

    /// @notice The first deposit into a channel has opened it. `channel` is all that later calls need.
    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed participant0,
        address indexed participant1,
        Channel channel
    );

    /// @notice `participant`'s cumulative deposit is now `totalDeposit`.
    event Deposited(bytes32 indexed channelId, address indexed participant, uint256 totalDeposit);

    /// @notice `participant`'s cumulative withdrawal is now `totalWithdrawn`.
    event Withdrawn(bytes32 indexed channelId, address indexed participant, uint256 totalWithdrawn);

    /// @notice A unilateral close has begun; proofs are taken while the time is below `deadline`, which locks may move.
    event CloseStarted(bytes32 indexed channelId, address indexed closer, uint256 deadline);

    /// @notice A proof of `payer`'s direction is recorded; `deadline` is the close's deadline after it.
    event ProofRecorded(
        bytes32 indexed channelId,
        address indexed payer,
        uint64 nonce,
        uint256 transferred,
        uint256 locked,
        uint256 deadline
    );

    /// @notice A lock of `payer`'s recorded list counts as transferred. Whoever needs the preimage may take it here.
    event LockClaimed(bytes32 indexed channelId, address indexed payer, uint64 indexed lockId, bytes32 preimage);

    /// @notice The channel is over and owes its participants `share0` and `share1`.
    event Settled(bytes32 indexed channelId, uint256 share0, uint256 share1, bool cooperative);

    /// @notice A payout could not be delivered and waits for {withdrawPayout}.
    event PayoutCredited(bytes32 indexed channelId, address indexed token, address indexed account, uint256 amount);

    /// @notice A waiting payout of `account` was delivered to `to`.
    event PayoutWithdrawn(address indexed token, address indexed account, address to, uint256 amount);

    // ------------------------------------------------------------------------------------------------- errors

    /// @notice The tuple is not one a channel may have: participants not ascending or zero, or signers equal.
    error ChannelEscrow_InvalidParticipants(address participant0, address participant1);

    /// @notice The two effective signers are the same key.
    error ChannelEscrow_SameSigner(address signer);

    /// @notice The challenge period is longer than the escrow allows, in seconds.
    error ChannelEscrow_ChallengePeriodTooLong(uint256 challengePeriod, uint256 maximum);

    /// @notice The channel's status does not allow this call.
    error ChannelEscrow_WrongStatus(bytes32 channelId, ChannelStatus status);

    /// @notice The address is neither of the channel's participants.
    error ChannelEscrow_NotParticipant(address account);

    /// @notice A deposit of nothing.
    error ChannelEscrow_ZeroDeposit();

    /// @notice The native coin sent is not what this deposit takes.
    error ChannelEscrow_WrongValue(uint256 value, uint256 expected);

    /// @notice The native coin has no permits and no authorizations.
    error ChannelEscrow_NativeToken();

    /// @notice After the transfer the escrow does not hold what it should, as with a token that takes a fee.
    error ChannelEscrow_DepositNotArrived(uint256 balance, uint256 expectedBalance);

    /// @notice The signed deadline has passed.
    error ChannelEscrow_DeadlinePassed(uint256 deadline, uint256 time);

    /// @notice Not a valid signature by `signer` of the message that this call needs.
    error ChannelEscrow_InvalidSignature(address signer);

    /// @notice The caller is not the payee, and the proof does not carry a valid endorsement by `signer`.
    error ChannelEscrow_NotEndorsed(address signer);

    /// @notice Without a StartClose signature only the closer or its signer may start its close.
    error ChannelEscrow_NotCloser(address caller);

    /// @notice A withdrawal beyond what the channel holds.
    error ChannelEscrow_WithdrawalTooLarge(uint256 totalWithdrawn, uint256 available);

    /// @notice The challenge period is over.
    error ChannelEscrow_ChallengePeriodOver(uint256 deadline, uint256 time);

    /// @notice The challenge period is not over yet.
    error ChannelEscrow_ChallengePeriodRunning(uint256 deadline, uint256 time);

    /// @notice A proof with a nonce that is not above the recorded one, and that is not the recorded one itself.
    error ChannelEscrow_NonceNotHigher(uint64 nonce, uint64 recorded);

    /// @notice More locks than a list may have.
    error ChannelEscrow_TooManyLocks(uint256 count, uint256 maximum);

    /// @notice The lock's id is not above that of the one before it.
    error ChannelEscrow_LocksNotAscending(uint64 id, uint64 previous);

    /// @notice The list does not hash to the root that was signed or recorded.
    error ChannelEscrow_WrongLocksRoot(bytes32 root, bytes32 expected);

    /// @notice The list does not add up to the signed sum.
    error ChannelEscrow_WrongLockedSum(uint256 sum, uint256 expected);

    /// @notice `indices` and `preimages` differ in length.
    error ChannelEscrow_LengthMismatch(uint256 indices, uint256 preimages);

    /// @notice The transaction cannot supply the gas that a payout is entitled to.
    error ChannelEscrow_InsufficientGas(uint256 available, uint256 required);

    /// @notice Only `account` itself may send its payout elsewhere.
    error ChannelEscrow_NotAccount(address caller, address account);

    /// @notice The receiver is the zero address.
    error ChannelEscrow_ZeroReceiver();

    /// @notice No payout waits for this account in this token.
    error ChannelEscrow_NoPayout(address token, address account);

    /// @notice The waiting payout could again not be delivered.
    error ChannelEscrow_PayoutFailed(address token, address to, uint256 amount);

    // ------------------------------------------------------------------------------------------------ deposits

    /// @notice Adds `amount` to `participant`'s deposit, taken from the caller. The first deposit opens the channel.
    /// @dev Emits {ChannelOpened} when it opens the channel, and {Deposited}.
    ///
    /// Requirements:
    /// - The tuple must be valid; the channel must be new or open.
    /// - `participant` must be one of its two.
    /// - `amount` must not be zero, and the participant's total must fit 104 bits.
    /// - Native coin: the value sent must equal `amount`. ERC-20: no value, and exactly `amount` must arrive.
    /// @param channel The channel's terms.
    /// @param participant Whose side of the channel it is.
    /// @param amount Amount in base units of the channel's token.
    function deposit(Channel calldata channel, address participant, uint256 amount) external payable;

    /// @notice {deposit} of an ERC-20 after using the caller's EIP-2612 permit for the escrow.
    /// @dev A permit that fails is not an error: somebody may have used it already, and then the allowance is there. The
    /// tokens are the caller's in any case, so nobody else's permit or allowance can be spent.
    ///
    /// Requirements: those of {deposit}, and the token must not be the native coin.
    /// @param channel The channel's terms.
    /// @param participant Whose side of the channel it is.
    /// @param amount Amount in base units of the channel's token.
    /// @param permitDeadline The permit's own deadline, Unix seconds.
    /// @param v Signature of the permit.
    /// @param r Signature of the permit.
    /// @param s Signature of the permit.
    function depositWithPermit(
        Channel calldata channel,
        address participant,
        uint256 amount,
        uint256 permitDeadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice {deposit} with an EIP-3009 `ReceiveWithAuthorization` signed by `from`, sent by anyone.
    /// @dev The authorization's nonce is `keccak256(abi.encode(channelId, participant, salt))`, so that it can fund
    /// this participant of this channel and nothing else. 65-byte signatures go to the token's `v, r, s` function,
    /// others to its `bytes` function.
    ///
    /// Requirements: those of {deposit}, the token must not be the native coin, and the token must accept the
    /// authorization.
    /// @param channel The channel's terms.
    /// @param participant Whose side of the channel it is.
    /// @param amount Amount in base units of the channel's token.
    /// @param from Who pays and has signed the authorization.
    /// @param salt Fresh for every authorization.
    /// @param validAfter As authorized, Unix seconds.
    /// @param validBefore As authorized, Unix seconds.
    /// @param signature Of the authorization, by `from`.
    function depositWithAuthorization(
        Channel calldata channel,
        address participant,
        uint256 amount,
        address from,
        bytes32 salt,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external;

    // -------------------------------------------------------------------------------------- by both signatures

    /// @notice Pays `participant` up to a cumulative total of `totalWithdrawn`. A total not above the present one does
    /// nothing. The total may exceed the participant's own deposit, never what the channel holds.
    /// @dev Emits {Withdrawn}, and {PayoutCredited} when the payout fails.
    ///
    /// Requirements:
    /// - The channel must be open.
    /// - `participant` must be one of its two.
    /// - The time must be at most `deadline`.
    /// - Both signers must have signed the `Withdrawal`.
    /// - All withdrawals together must not exceed all deposits; a total must fit 104 bits.
    /// @param channel The channel's terms.
    /// @param participant Whose side of the channel it is.
    /// @param totalWithdrawn The participant's cumulative total after this withdrawal.
    /// @param deadline As signed: the last second at which it may be included.
    /// @param signature0 By participant 0's signer.
    /// @param signature1 By participant 1's signer.
    function withdraw(
        Channel calldata channel,
        address participant,
        uint256 totalWithdrawn,
        uint256 deadline,
        bytes calldata signature0,
        bytes calldata signature1
    ) external;

    /// @notice Closes the channel and pays both sides by the settlement formula over the signed totals and over the
    /// deposits and withdrawals at inclusion, so that a stranger's deposit changes nothing but its beneficiary's share.
    /// @dev Emits {Settled}, and {PayoutCredited} for each payout that fails.
    ///
    /// Requirements:
    /// - The channel must be open or closing.
    /// - The time must be at most `deadline`.
    /// - Both signers must have signed the `CooperativeClose`.
    /// @param channel The channel's terms.
    /// @param transferred0 All that participant 0 ever paid in this channel.
    /// @param transferred1 All that participant 1 ever paid in this channel.
    /// @param deadline As signed: the last second at which it may be included.
    /// @param signature0 By participant 0's signer.
    /// @param signature1 By participant 1's signer.
    function closeCooperatively(
        Channel calldata channel,
        uint256 transferred0,
        uint256 transferred1,
        uint256 deadline,
        bytes calldata signature0,
        bytes calldata signature1
    ) external;

    // --------------------------------------------------------------------------------------- by one side alone

    /// @notice Starts a unilateral close on behalf of `closer`, optionally with the latest proof it received.
    /// @dev A proof with nonce 0 means none. While a close is running this acts as {challenge} of the counterparty's
    /// direction and ignores the close's authorization; without a proof it then does nothing. Emits {CloseStarted},
    /// and {ProofRecorded} with a proof.
    ///
    /// Requirements:
    /// - The channel must be open, or closing before its deadline.
    /// - `closer` must be one of its participants.
    /// - With an empty `closeSignature` the caller must be the closer or its signer. Otherwise it must be the `StartClose`
    ///   of the closer's signer, at most at `deadline`.
    /// - A proof must meet the requirements of {challenge}. A `StartClose` without an endorsement does not let its
    ///   sender choose the proof, or a thief could copy it and put a worthless proof beside it.
    /// @param channel The channel's terms.
    /// @param closer The participant whose close it is.
    /// @param deadline As signed in the `StartClose`: the last second at which it may be included.
    /// @param closeSignature The `StartClose` of the closer's signer, or empty.
    /// @param proof The payer's balance proof.
    /// @param signature By the counterparty's signer, over the proof.
    /// @param endorsement By the closer's signer, or empty where none is needed.
    /// @param locks The proof's list of locks.
    function startClose(
        Channel calldata channel,
        address closer,
        uint256 deadline,
        bytes calldata closeSignature,
        BalanceProof calldata proof,
        bytes calldata signature,
        bytes calldata endorsement,
        Lock[] calldata locks
    ) external;

    /// @notice Records a proof of `payer`'s direction with a higher nonce than the recorded one. The one already
    /// recorded does nothing, so that helpers who race do not revert each other.
    /// @dev The deadline moves to the latest expiry on the list if that is later. Locks on the list that were claimed
    /// under an earlier proof count at once; claims on locks that are not on it fall away. Emits {ProofRecorded}.
    ///
    /// Requirements:
    /// - The channel must be closing, and the time below its deadline.
    /// - `payer` must be one of its participants, and its signer must have signed the `BalanceProof`.
    /// - The caller must be the payee or its signer; otherwise the payee's signer must have signed the `Endorsement`.
    /// - `transferred` must fit 128 bits.
    /// - `locks` must be at most 64, ascending by id from 1, add up to `locked`, and hash to `locksRoot`; their expiries
    ///   must fit 40 bits.
    /// @param channel The channel's terms.
    /// @param payer The participant that pays in this direction.
    /// @param proof The payer's balance proof.
    /// @param signature By the payer's signer, over the proof.
    /// @param endorsement By the payee's signer, or empty where none is needed.
    /// @param locks The proof's list of locks.
    function challenge(
        Channel calldata channel,
        address payer,
        BalanceProof calldata proof,
        bytes calldata signature,
        bytes calldata endorsement,
        Lock[] calldata locks
    ) external;

    /// @notice Turns locks of the recorded proof of `payer`'s direction into transferred amount, by their preimages.
    /// @dev `preimages[i]` belongs to `locks[indices[i]]`. Entries that are claimed, expired or wrong are skipped.
    /// Emits {LockClaimed} for each lock claimed.
    ///
    /// Requirements:
    /// - The channel must be closing.
    /// - `payer` must be one of its participants.
    /// - `locks` must be the recorded list.
    /// - `indices` and `preimages` must be of one length.
    /// @param channel The channel's terms.
    /// @param payer The participant that pays in this direction.
    /// @param locks The recorded list.
    /// @param indices Positions in `locks`.
    /// @param preimages One preimage for each index.
    function claim(
        Channel calldata channel,
        address payer,
        Lock[] calldata locks,
        uint256[] calldata indices,
        bytes32[] calldata preimages
    ) external;

    /// @notice Pays both sides of a channel whose challenge period is over.
    /// @dev With deposits D, withdrawals W and per direction the recorded total T (transferred plus claimed):
    /// `total = D0 + D1 - W0 - W1`, `share0 = clamp(D0 - W0 + T1 - T0, 0, total)`, `share1 = total - share0`.
    /// Emits {Settled}, and {PayoutCredited} for each payout that fails.
    ///
    /// Requirements: the channel must be closing, and the time at or beyond its deadline.
    /// @param channel The channel's terms.
    function settle(Channel calldata channel) external;

    /// @notice Delivers a payout that could not be delivered before, with all the gas there is.
    /// @dev Emits {PayoutWithdrawn}.
    ///
    /// Requirements:
    /// - `to` must be `account`, or the caller must be; it must not be zero.
    /// - A payout must be waiting, and its transfer must succeed.
    /// @param token Zero for the native coin.
    /// @param account To whom the payout is owed.
    /// @param to Who receives it.
    function withdrawPayout(address token, address account, address to) external;

    // --------------------------------------------------------------------------------------------------- views

    /// @notice `keccak256(abi.encode(block.chainid, address(this), channel))`, whether the channel exists or not.
    /// @param channel The channel's terms.
    /// @return The id.
    function channelIdOf(Channel calldata channel) external view returns (bytes32);

    /// @notice What is stored of a channel. Once settled, everything but the status is zero.
    /// @param channelId The channel's id.
    /// @return status Whether the channel is new, open, closing or settled.
    /// @return deposit0 Cumulative deposit of participant 0.
    /// @return deposit1 Cumulative deposit of participant 1.
    /// @return withdrawn0 Cumulative withdrawal of participant 0.
    /// @return withdrawn1 Cumulative withdrawal of participant 1.
    /// @return deadline End of the challenge period, Unix seconds; zero while none is running.
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
        );

    /// @notice What is recorded of `payer`'s direction; stays readable after settlement.
    /// @param channelId The channel's id.
    /// @param payer The participant that pays in this direction.
    /// @return nonce Nonce of the recorded proof, zero if none.
    /// @return transferred Its transferred amount.
    /// @return claimed Sum of the locks on its list that were claimed.
    /// @return locksRoot Root of its list.
    function recordedProof(
        bytes32 channelId,
        address payer
    ) external view returns (uint64 nonce, uint256 transferred, uint256 claimed, bytes32 locksRoot);

    /// @notice Whether this very lock of `payer`'s direction was ever claimed.
    /// @param channelId The channel's id.
    /// @param payer The participant that pays in this direction.
    /// @param lock The lock, with all its fields.
    /// @return Whether it was.
    function isClaimed(bytes32 channelId, address payer, Lock calldata lock) external view returns (bool);

    /// @notice What waits for `account` in {withdrawPayout}.
    /// @param token Zero for the native coin.
    /// @param account To whom the payout is owed.
    /// @return Amount in base units.
    function payoutOf(address token, address account) external view returns (uint256);

    /// @notice The EIP-712 domain separator.
    /// @return The separator.
    function domainSeparator() external view returns (bytes32);

    /// @notice Longest challenge period, in seconds.
    /// @return Seconds.
    function MAX_CHALLENGE_PERIOD() external view returns (uint256);

    /// @notice Most locks on a list.
    /// @return Their number.
    function MAX_LOCKS() external view returns (uint256);

    /// @notice Gas that a payout in native coin is entitled to.
    /// @return Gas.
    function NATIVE_PAYOUT_GAS() external view returns (uint256);

    /// @notice Gas that a payout in a token is entitled to.
    /// @return Gas.
    function TOKEN_PAYOUT_GAS() external view returns (uint256);
}
