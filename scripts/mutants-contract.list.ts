/** One fault put into the escrow by replacing one piece of text, which the Solidity tests have to notice. */
export interface Mutant {
  readonly name: string;
  /** The property of the contract that the fault breaks, by its number in the design; 0: an encoding or an interface rule. */
  readonly property: number;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const ESCROW = "contracts/ChannelEscrow.sol";
const LOCKS = "contracts/libraries/LockList.sol";
const PAYOUT = "contracts/libraries/Payout.sol";
const SETTLEMENT = "contracts/libraries/Settlement.sol";
const TYPES = "contracts/libraries/SignedTypes.sol";

function mutant(property: number, name: string, file: string, find: string, replace: string): Mutant {
  return { name, property, file, find, replace };
}

export const MUTANTS: readonly Mutant[] = [
  // 1: solvency
  mutant(
    1,
    "credit a deposit that did not arrive",
    ESCROW,
    "if (balance != expectedBalance) {",
    "if (balance > expectedBalance) {",
  ),
  mutant(
    1,
    "let a withdrawal ignore the other side's",
    ESCROW,
    "record.deposit0 + record.deposit1 - others;",
    "record.deposit0 + record.deposit1;",
  ),
  mutant(
    1,
    "forget a withdrawal",
    ESCROW,
    "_withdrawals[channelId].total1 = totalWithdrawn.toUint104();",
    "totalWithdrawn.toUint104();",
  ),
  // 2: conservation
  mutant(
    2,
    "pay the total of a withdrawal, not the difference",
    ESCROW,
    "participant, totalWithdrawn - present);",
    "participant, totalWithdrawn);",
  ),
  mutant(
    2,
    "lose a payout that fails",
    ESCROW,
    "_payouts[token][account] += amount;",
    "_payouts[token][account] += 0;",
  ),
  mutant(
    2,
    "overwrite a waiting payout",
    ESCROW,
    "_payouts[token][account] += amount;",
    "_payouts[token][account] = amount;",
  ),
  mutant(
    2,
    "keep a payout after delivering it",
    ESCROW,
    "_payouts[token][account] = 0;",
    "_payouts[token][account] = amount;",
  ),
  mutant(2, "pay out without the clamp", SETTLEMENT, "if (share0 > total) {", "if (share0 > total + 1) {"),
  mutant(
    2,
    "ignore withdrawals when settling",
    SETTLEMENT,
    "uint256 minus = withdrawn0;",
    "uint256 minus = 0;",
  ),
  mutant(
    2,
    "do not saturate signed totals",
    SETTLEMENT,
    "return net < NET_CAP ? net : NET_CAP;",
    "return net;",
  ),
  // 3: safety
  mutant(
    3,
    "drop the nonce check",
    ESCROW,
    "if (proof.nonce <= recorded.nonce) {",
    "if (proof.nonce == 0) {",
  ),
  mutant(
    3,
    "take another proof of the same nonce for the recorded one",
    ESCROW,
    "proof.transferred == recorded.transferred &&",
    "",
  ),
  mutant(
    3,
    "swap the directions of a settlement",
    ESCROW,
    "_recordedTotal(channelId, channel.participant0);",
    "_recordedTotal(channelId, channel.participant1);",
  ),
  mutant(
    3,
    "swap the signs of the formula",
    SETTLEMENT,
    "if (transferred1 > transferred0) {",
    "if (transferred1 < transferred0) {",
  ),
  mutant(
    3,
    "skip the endorsement",
    ESCROW,
    "if (!_isSignedBy(payeeSigner, SignedTypes.endorsement(channelId, proof), endorsement)) {",
    "if (endorsement.length == 1) {",
  ),
  mutant(
    3,
    "let the payer endorse its own proof",
    ESCROW,
    "if (!_isSignedBy(payeeSigner, SignedTypes.endorsement(",
    "if (!_isSignedBy(payerSigner, SignedTypes.endorsement(",
  ),
  mutant(
    3,
    "let the payer record without endorsement",
    ESCROW,
    "if (msg.sender == payee || msg.sender == payeeSigner) {",
    "if (msg.sender != address(0)) {",
  ),
  mutant(
    3,
    "do not check the payer's signature",
    ESCROW,
    "if (!_isSignedBy(payerSigner, SignedTypes.balanceProof(channelId, proof), signature)) {",
    "if (signature.length == 1) {",
  ),
  mutant(
    3,
    "forget a claimed lock when a later proof comes",
    ESCROW,
    "direction.claimed = _claimedOf(channelId, payer, locks);",
    "direction.claimed = 0;",
  ),
  mutant(
    3,
    "keep claims on locks that left the list",
    ESCROW,
    "direction.claimed = _claimedOf(channelId, payer, locks);",
    "direction.claimed += 0;",
  ),
  mutant(3, "forget claimed locks when settling", ESCROW, "if (head.hasLocks) {", "if (!head.hasLocks) {"),
  mutant(
    3,
    "claim a lock twice",
    ESCROW,
    "if (_claimedLocks[key]) {\n            return 0;",
    "if (false) {\n            return 0;",
  ),
  mutant(3, "claim at the expiry", ESCROW, "block.timestamp >= lock.expiry", "block.timestamp > lock.expiry"),
  mutant(3, "claim without the preimage", ESCROW, " || sha256(abi.encode(preimage)) != lock.hash", ""),
  mutant(3, "claim from a list that was not recorded", ESCROW, "locks.requireRoot(direction.locksRoot);", ""),
  mutant(
    3,
    "mistake locks of one id for one another",
    LOCKS,
    "abi.encode(channelId, payer, lock)",
    "abi.encode(channelId, payer, lock.id)",
  ),
  mutant(
    3,
    "mistake the two directions' locks for one another",
    LOCKS,
    "abi.encode(channelId, payer, lock)",
    "abi.encode(channelId, lock)",
  ),
  mutant(
    3,
    "accept a sum of locks that was not signed",
    LOCKS,
    "if (sum != locked) {",
    "if (sum > locked) {",
  ),
  mutant(3, "accept locks out of order", LOCKS, "if (lock.id <= previous) {", "if (lock.id < previous) {"),
  mutant(
    3,
    "settle while a lock is pending",
    ESCROW,
    "if (latestExpiry > record.deadline) {",
    "if (latestExpiry == 1) {",
  ),
  mutant(
    3,
    "move the deadline back",
    ESCROW,
    "if (latestExpiry > record.deadline) {",
    "if (latestExpiry != 0) {",
  ),
  mutant(
    3,
    "settle one second early",
    ESCROW,
    "if (block.timestamp < record.deadline) {",
    "if (block.timestamp + 1 < record.deadline) {",
  ),
  mutant(
    3,
    "ignore the proof beside a StartClose",
    ESCROW,
    "if (proof.nonce != 0) {\n            _recordProof(",
    "if (proof.nonce != 0 && closeSignature.length == 0) {\n            _recordProof(",
  ),
  // 4: finality
  mutant(
    4,
    "leave no tombstone",
    ESCROW,
    "Record(0, 0, 0, ChannelStatus.Settled)",
    "Record(0, 0, 0, ChannelStatus.None)",
  ),
  mutant(
    4,
    "close a settled channel again",
    ESCROW,
    "if (record.status != ChannelStatus.Open && record.status != ChannelStatus.Closing) {",
    "if (record.status == ChannelStatus.None) {",
  ),
  mutant(
    4,
    "deposit into a closing or settled channel",
    ESCROW,
    "} else if (record.status != ChannelStatus.Open) {\n            revert",
    "} else if (record.status == ChannelStatus.None) {\n            revert",
  ),
  mutant(
    4,
    "keep the deposits of a settled channel",
    ESCROW,
    "Record(0, 0, 0, ChannelStatus.Settled)",
    "Record(record.deposit0, 0, 0, ChannelStatus.Settled)",
  ),
  // 5: griefing
  mutant(
    5,
    "let anyone start a close",
    ESCROW,
    "if (msg.sender != closer && msg.sender != signer) {",
    "if (msg.sender == address(0)) {",
  ),
  mutant(
    5,
    "ignore a StartClose's deadline",
    ESCROW,
    "        _requireInTime(deadline);\n        if (!_isSignedBy(signer,",
    "        if (!_isSignedBy(signer,",
  ),
  mutant(
    5,
    "record at the deadline",
    ESCROW,
    "if (block.timestamp >= record.deadline) {",
    "if (block.timestamp > record.deadline) {",
  ),
  mutant(
    5,
    "revert the second of two racing challenges",
    ESCROW,
    "if (_isRecorded(direction, recorded, proof)) {",
    "if (proof.nonce == 0) {",
  ),
  mutant(
    5,
    "revert a withdrawal that was made already",
    ESCROW,
    "if (totalWithdrawn <= present) {\n            return;",
    "if (totalWithdrawn < present) {\n            return;",
  ),
  mutant(
    5,
    "let one bad entry block a batch of claims",
    ESCROW,
    "if (indices[i] < locks.length) {",
    "if (indices[i] <= type(uint256).max) {",
  ),
  mutant(
    5,
    "refuse a cooperative close while closing",
    ESCROW,
    "if (record.status != ChannelStatus.Open && record.status != ChannelStatus.Closing) {",
    "if (record.status != ChannelStatus.Open) {",
  ),
  // 6: hostile receivers
  mutant(
    6,
    "give a receiver all the gas",
    PAYOUT,
    "return transfer(token, to, amount, allowance);",
    "return transfer(token, to, amount, gasleft());",
  ),
  mutant(6, "let a caller starve a receiver", PAYOUT, "if (available < required) {", "if (available == 0) {"),
  mutant(
    6,
    "check for a little less gas than a call needs",
    PAYOUT,
    "(allowance * 64) / 63 + CALL_OVERHEAD;",
    "allowance / 2;",
  ),
  mutant(
    6,
    "copy all that a receiver returns",
    PAYOUT,
    "success := call(gasLimit, to, amount, 0, 0, 0, 0)",
    "success := call(gasLimit, to, amount, 0, 0, 0, 0)\n                returndatacopy(mload(0x40), 0, returndatasize())",
  ),
  mutant(6, "take false for a success", PAYOUT, "size >= 32 && word == 1", "size >= 32"),
  mutant(6, "take a short answer for a success", PAYOUT, "size >= 32 && word == 1", "word == 1"),
  mutant(6, "pay a token that is gone", PAYOUT, "token.code.length != 0", "true"),
  mutant(
    6,
    "let anyone send another's payout anywhere",
    ESCROW,
    "if (to != account && msg.sender != account) {",
    "if (to == msg.sender && to == address(0)) {",
  ),
  // 7: deposits
  mutant(
    7,
    "accept more native coin than the amount",
    ESCROW,
    "if (msg.value != expected) {",
    "if (msg.value < expected) {",
  ),
  mutant(
    7,
    "pull from the participant's allowance",
    ESCROW,
    "            _pull(channel.token, amount);\n        }",
    "            IERC20(channel.token).safeTransferFrom(participant, address(this), amount);\n        }",
  ),
  mutant(
    7,
    "spend another's permit",
    ESCROW,
    ".permit(msg.sender, address(this),",
    ".permit(participant, address(this),",
  ),
  mutant(
    7,
    "let a failed permit revert the deposit",
    ESCROW,
    "_pull(channel.token, amount);\n    }\n\n    /// @inheritdoc IChannelEscrow\n    function depositWithAuthorization(",
    "require(IERC20Permit(channel.token).nonces(msg.sender) == 0);\n        _pull(channel.token, amount);\n    }\n\n    /// @inheritdoc IChannelEscrow\n    function depositWithAuthorization(",
  ),
  mutant(
    7,
    "do not bind an authorization to its participant",
    ESCROW,
    "abi.encode(channelId, participant, salt)",
    "abi.encode(channelId, salt)",
  ),
  // 8: re-entry and signatures
  mutant(
    8,
    "let a payout's withdrawal be re-entered",
    ESCROW,
    "function withdrawPayout(address token, address account, address to) external nonReentrant {",
    "function withdrawPayout(address token, address account, address to) external {",
  ),
  mutant(
    8,
    "let settlement be re-entered",
    ESCROW,
    "function settle(Channel calldata channel) external nonReentrant {",
    "function settle(Channel calldata channel) external {",
  ),
  mutant(
    8,
    "ask a contract before the key",
    ESCROW,
    "if (_isSignedBy(signer, structHash, signature)) {\n            return;",
    "if (signer.code.length == 0 && _isSignedBy(signer, structHash, signature)) {\n            return;",
  ),
  mutant(
    8,
    "take one signature for both",
    ESCROW,
    "_requireApproval(_signerOf(channel, false), structHash, signature1);",
    "_requireApproval(_signerOf(channel, true), structHash, signature0);",
  ),
  mutant(
    8,
    "use one type for proofs and endorsements",
    TYPES,
    "return _proof(ENDORSEMENT_TYPEHASH,",
    "return _proof(BALANCE_PROOF_TYPEHASH,",
  ),
  mutant(
    8,
    "forget the chain in the channel's id",
    ESCROW,
    "abi.encode(block.chainid, address(this), channel)",
    "abi.encode(uint256(31337), address(this), channel)",
  ),
  mutant(
    8,
    "forget the contract in the channel's id",
    ESCROW,
    "abi.encode(block.chainid, address(this), channel)",
    "abi.encode(block.chainid, address(0), channel)",
  ),
  mutant(
    8,
    "let one key sign for both sides",
    ESCROW,
    "if (signer0 == _signerOf(channel, false)) {",
    "if (signer0 == address(0)) {",
  ),
  mutant(
    8,
    "ignore a withdrawal's deadline",
    ESCROW,
    "        _requireInTime(deadline);\n        bytes32 structHash = SignedTypes.withdrawal(",
    "        bytes32 structHash = SignedTypes.withdrawal(",
  ),
  mutant(
    8,
    "ignore a cooperative close's deadline",
    ESCROW,
    "        _requireInTime(deadline);\n        bytes32 structHash = SignedTypes.cooperativeClose(",
    "        bytes32 structHash = SignedTypes.cooperativeClose(",
  ),
  // 0: encodings
  mutant(
    0,
    "leave the history out of a proof's digest",
    TYPES,
    "                    proof.history\n",
    "                    proof.locksRoot\n",
  ),
  mutant(
    0,
    "pack the expiry over the amount",
    LOCKS,
    "(uint256(lock.amount) << 64)",
    "(uint256(lock.amount) << 63)",
  ),
];
