/** One way to break the core: in `file`, the only occurrence of `find` becomes `replace`. */
export interface Mutant {
  readonly name: string;
  /** Below `src/protocol`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const UPDATE = "ledger/update.ts";
const CAPACITY = "ledger/capacity.ts";
const WITHDRAW = "ledger/withdraw.ts";
const CLOSE = "ledger/close.ts";
const REESTABLISH = "ledger/reestablish.ts";
const CHAIN = "ledger/chain.ts";

/** Every one of these would cost somebody money, or two honest nodes their channel; the tests must notice each. */
export const MUTANTS: readonly Mutant[] = [
  // Being paid
  {
    name: "nonce-unchecked",
    file: UPDATE,
    find: "if (proof.nonce !== previous.nonce + 1n) {",
    replace: "if (proof.nonce < previous.nonce) {",
  },
  { name: "capacity-unchecked", file: UPDATE, find: "if (needed > ceiling) {", replace: "if (false) {" },
  {
    name: "capacity-one-short",
    file: UPDATE,
    find: "if (needed > ceiling) {",
    replace: "if (needed >= ceiling) {",
  },
  {
    name: "locked-is-free",
    file: UPDATE,
    find: "const needed = proof.transferred + proof.locked;",
    replace: "const needed = proof.transferred;",
  },
  {
    name: "signature-unchecked",
    file: UPDATE,
    find: "if (isCounterparty(state, digest, last.proof.signature, ports)) {",
    replace: "if (digest.length > 0) {",
  },
  {
    name: "signature-of-the-first",
    file: UPDATE,
    find: "const last = proofs[taken - 1]!;",
    replace: "const last = { ...proofs[taken - 1]!, proof: proofs[0]!.proof };",
  },
  {
    name: "totals-from-the-message",
    file: UPDATE,
    find: 'if (field !== undefined && field !== "nonce")',
    replace: 'if (field !== undefined && field !== "nonce" && field !== "transferred")',
  },
  {
    name: "history-unchecked",
    file: "proof.ts",
    find: 'if (!equalBytes(a.history, b.history)) return "history";',
    replace: "",
  },
  {
    name: "locks-root-unchecked",
    file: "proof.ts",
    find: 'if (!equalBytes(a.locksRoot, b.locksRoot)) return "locksRoot";',
    replace: "",
  },
  {
    name: "overspend-always-excused",
    file: UPDATE,
    find: "const late = update.creditedSequence < state.terms.announced.sequence;",
    replace: "const late = true;",
  },
  {
    name: "evidence-acknowledged",
    file: UPDATE,
    find: 'const evidence = phase !== "open" || pastStop || state.accepted !== state.received.nonce;',
    replace: "const evidence = pastStop;",
  },
  {
    name: "paid-past-the-stop",
    file: UPDATE,
    find: "received.nonce > stop.theirs;",
    replace: "received.nonce > stop.theirs + 1n;",
  },
  {
    name: "gap-after-evidence",
    file: UPDATE,
    find: "pastStop || state.accepted !== state.received.nonce;",
    replace: "pastStop;",
  },
  {
    name: "fork-by-entries",
    file: UPDATE,
    find: "equalBytes(update.proof.signature, stored.proof.signature) &&\n    equalBytes(update.entries, stored.entries);",
    replace: "equalBytes(update.proof.signature, stored.proof.signature);",
  },
  {
    name: "fork-by-proof",
    file: UPDATE,
    find: "differingField(update.proof, stored.proof) === undefined &&",
    replace: "",
  },
  // Paying
  {
    name: "spend-unlimited",
    file: UPDATE,
    find: "if (needed > available) return",
    replace: "if (needed < 0n) return",
  },
  {
    name: "window-unbounded",
    file: UPDATE,
    find: "state.sent.nonce - state.acknowledged >= MAX_UNACKNOWLEDGED",
    replace: "state.sent.nonce - state.acknowledged > MAX_UNACKNOWLEDGED",
  },
  {
    name: "pay-while-behind",
    file: UPDATE,
    find: 'if (state.behind !== undefined) return refuse("channel_behind", { nonce: state.behind.nonce });',
    replace: "",
  },
  {
    name: "pay-while-stopped",
    file: UPDATE,
    find: "if (terms.stop !== undefined || terms.credited.closeLive)",
    replace: "if (terms.credited.closeLive)",
  },
  {
    name: "pay-while-payee-stopped",
    file: UPDATE,
    find: "if (terms.stop !== undefined || terms.credited.closeLive)",
    replace: "if (terms.stop !== undefined)",
  },
  {
    name: "ack-of-the-unsent",
    file: UPDATE,
    find: "if (nonce > state.sent.nonce) return",
    replace: "if (nonce > state.sent.nonce + 1n) return",
  },
  {
    name: "ack-goes-back",
    file: UPDATE,
    find: "nonce <= state.acknowledged || nonce <= (state.behind?.nonce ?? 0n)",
    replace: "nonce === state.acknowledged || nonce <= (state.behind?.nonce ?? 0n)",
  },
  {
    name: "ack-of-the-forgotten-is-a-lie",
    file: UPDATE,
    find: "nonce <= state.acknowledged || nonce <= (state.behind?.nonce ?? 0n)",
    replace: "nonce <= state.acknowledged",
  },
  {
    name: "total-limit-off-by-one",
    file: UPDATE,
    find: "transferred + previous.locked >= PROOF_TOTAL_LIMIT",
    replace: "transferred + previous.locked > PROOF_TOTAL_LIMIT",
  },
  {
    name: "total-limit-without-locks",
    file: UPDATE,
    find: "transferred + previous.locked >=",
    replace: "transferred >=",
  },
  // Counting
  {
    name: "credits-of-the-wrong-side",
    file: CAPACITY,
    find: "announced.deposits[payer] - announced.withdrawn[payer] + sent",
    replace: "announced.deposits[state.side] - announced.withdrawn[payer] + sent",
  },
  {
    name: "withdrawn-of-the-wrong-side",
    file: CAPACITY,
    find: "- announced.withdrawn[payer] + sent",
    replace: "- announced.withdrawn[state.side] + sent",
  },
  {
    name: "backing-forgets-what-came-back",
    file: CAPACITY,
    find: "maxAmount(state.sent.transferred, state.behind?.transferred ?? 0n)",
    replace: "maxAmount(state.sent.transferred, 0n)",
  },
  {
    name: "live-withdrawal-free",
    file: CAPACITY,
    find: "if (withdrawal.beneficiary === side) total = maxAmount(total, withdrawal.total);",
    replace: "",
  },
  {
    name: "live-withdrawal-of-the-other",
    file: CAPACITY,
    find: "if (withdrawal.beneficiary === side) total",
    replace: "if (withdrawal.beneficiary !== side) total",
  },
  {
    name: "payer-ignores-payees-count",
    file: CAPACITY,
    find: "const withdrawn = maxAmount(terms.credited.withdrawn[side], countedWithdrawn(terms, side));",
    replace: "const withdrawn = countedWithdrawn(terms, side);",
  },
  {
    name: "payer-ignores-own-proposal",
    file: CAPACITY,
    find: "const withdrawn = maxAmount(terms.credited.withdrawn[side], countedWithdrawn(terms, side));",
    replace: "const withdrawn = terms.credited.withdrawn[side];",
  },
  {
    name: "locked-spent-twice",
    file: CAPACITY,
    find: "state.sent.transferred -\n    state.sent.locked",
    replace: "state.sent.transferred",
  },
  {
    name: "same-sequence-for-new-credits",
    file: CAPACITY,
    find: "sequence: announced.sequence + 1n",
    replace: "sequence: announced.sequence",
  },
  {
    name: "close-not-announced",
    file: CAPACITY,
    find: 'terms.stop !== undefined || terms.phase === "closing" || terms.phase === "settled"',
    replace: "terms.stop !== undefined",
  },
  {
    name: "stale-credits-taken",
    file: "ledger/credit.ts",
    find: "if (credits.sequence < credited.sequence) return { ok: true, state };",
    replace: "",
  },
  {
    name: "renumbered-backwards",
    file: "ledger/credit.ts",
    find: "if (announced.sequence >= sequence) return state;",
    replace: "",
  },
  {
    name: "contradicting-credits-taken",
    file: "ledger/credit.ts",
    find: "return sameCredits(credits, credited)",
    replace: "return credits.sequence >= 0n",
  },
  // Withdrawing
  {
    name: "withdraw-beyond-own",
    file: WITHDRAW,
    find: "const available = sendCapacity(state) + current;\n  if (total > available)",
    replace: "const available = sendCapacity(state) + current;\n  if (total > available + 1n)",
  },
  {
    name: "countersign-anything",
    file: WITHDRAW,
    find: "- state.received.transferred - state.received.locked;\n  if (total > available)",
    replace: "- state.received.transferred - state.received.locked;\n  if (total < 0n)",
  },
  {
    name: "countersign-what-was-spent",
    file: WITHDRAW,
    find: "backing(state) + current - state.received.transferred - state.received.locked",
    replace: "backing(state) + current - state.received.locked",
  },
  {
    name: "countersign-locked",
    file: WITHDRAW,
    find: "backing(state) + current - state.received.transferred - state.received.locked",
    replace: "backing(state) + current - state.received.transferred",
  },
  {
    name: "countersign-unsigned",
    file: WITHDRAW,
    find: "if (!isCounterparty(state, digestOf(state, theirs, ports), proposal.signature, ports)) {",
    replace: "if (proposal.signature.length === 0) {",
  },
  {
    name: "countersigned-by-nobody",
    file: WITHDRAW,
    find: "if (!isCounterparty(state, digestOf(state, live, ports), answer.signature, ports)) {",
    replace: "if (answer.signature.length === 0) {",
  },
  {
    name: "second-withdrawal-while-live",
    file: WITHDRAW,
    find: 'if (live !== undefined) return refuse("withdrawal_pending", { deadline: live.deadline });',
    replace: "",
  },
  {
    name: "withdrawal-not-counted-when-signed",
    file: WITHDRAW,
    find: "return recounted({ ...terms, withdrawals: [...others, withdrawal] });",
    replace: "return { ...terms, withdrawals: [...others, withdrawal] };",
  },
  {
    name: "withdrawal-deadline-unbounded",
    file: WITHDRAW,
    find: "deadline <= newest || deadline > latest",
    replace: "deadline <= newest",
  },
  {
    name: "withdrawal-deadline-now",
    file: WITHDRAW,
    find: "deadline <= newest || deadline > latest",
    replace: "deadline < newest || deadline > latest",
  },
  {
    name: "withdraw-while-stopped",
    file: WITHDRAW,
    find: 'if (terms.stop !== undefined) return refuse("channel_stopped", {});',
    replace: "",
  },
  {
    name: "withdrawal-lapses-at-deadline",
    file: WITHDRAW,
    find: "withdrawal.deadline >= confirmedTime",
    replace: "withdrawal.deadline > confirmedTime",
  },
  {
    name: "lapsed-withdrawal-still-announced",
    file: WITHDRAW,
    find: "terms: recounted({ ...state.terms, withdrawals }) };",
    replace: "terms: { ...state.terms, withdrawals } };",
  },
  // Closing together
  {
    name: "sign-before-acknowledged",
    file: CLOSE,
    find: "state.acknowledged === stop.ours &&",
    replace: "",
  },
  { name: "sign-before-received", file: CLOSE, find: "state.accepted === stop.theirs &&", replace: "" },
  {
    name: "sign-over-evidence",
    file: CLOSE,
    find: "&&\n    state.received.nonce === stop.theirs",
    replace: "",
  },
  { name: "sign-while-behind", file: CLOSE, find: "state.behind === undefined &&\n", replace: "" },
  {
    name: "close-totals-swapped",
    file: CLOSE,
    find: "return state.side === 0\n    ? {",
    replace: "return state.side === 1\n    ? {",
  },
  {
    name: "close-totals-unchecked",
    file: CLOSE,
    find: "if (close.transferred0 !== totals.transferred0 || close.transferred1 !== totals.transferred1) {",
    replace: "if (close.transferred0 !== totals.transferred0) {",
  },
  {
    name: "close-signature-unchecked",
    file: CLOSE,
    find: "if (!isCounterparty(state, digest, close.signature, ports))",
    replace: "if (digest.length === 0)",
  },
  {
    name: "close-deadline-unbounded",
    file: CLOSE,
    find: "deadline > latest || deadline <= newest",
    replace: "deadline <= newest",
  },
  {
    name: "either-side-signs-first",
    file: CLOSE,
    find: "if (state.side === 1 && signed === undefined)",
    replace: "if (state.side === 1 && deadline < 0n)",
  },
  {
    name: "two-deadlines-signed",
    file: CLOSE,
    find: "if (stop.signed !== undefined) return { ok: true, state, close: stop.signed };",
    replace: "",
  },
  {
    name: "stop-with-locks",
    file: CLOSE,
    find: "const locked = state.sent.locked + state.received.locked;",
    replace: "const locked = state.sent.locked;",
  },
  {
    name: "stop-moves",
    file: CLOSE,
    find: 'return stop.theirs === theirs ? { ok: true, state } : refuse("nonce_fork", { nonce: theirs });',
    replace: "return { ok: true, state: withStop(state, { ...stop, theirs }) };",
  },
  {
    name: "stop-below-received",
    file: CLOSE,
    find: 'if (theirs < state.received.nonce) return refuse("nonce_fork", { nonce: theirs });',
    replace: "",
  },
  {
    name: "close-lapses-at-deadline",
    file: CLOSE,
    find: "stop.signed.deadline >= confirmedTime",
    replace: "stop.signed.deadline > confirmedTime",
  },
  {
    name: "close-lapses-while-closing",
    file: CLOSE,
    find: 'if (state.terms.phase !== "open") return state;\n',
    replace: "",
  },
  // Reconnecting
  {
    name: "behind-ignored",
    file: REESTABLISH,
    find: "const next = { ...credited.state, behind: newer(state.behind, held) };",
    replace: "const next = credited.state;",
  },
  {
    name: "returned-proof-unsigned",
    file: REESTABLISH,
    find: 'if (!isOurs(state, held, ports)) return refuse("returned_proof_invalid", { nonce: held.nonce });',
    replace: "",
  },
  {
    name: "own-fork-ignored",
    file: REESTABLISH,
    find: "if (held.nonce > state.sent.nonce || forked) {",
    replace: "if (held.nonce > state.sent.nonce) {",
  },
  {
    name: "adopt-without-history",
    file: REESTABLISH,
    find: "const follows = differingField(next.proof, target) === undefined;",
    replace: "const follows = next.proof.nonce === target.nonce;",
  },
  {
    name: "adopt-too-early",
    file: REESTABLISH,
    find: "if (next.proof.nonce < target.nonce) return",
    replace: "if (next.proof.nonce + 1n < target.nonce) return",
  },
  {
    name: "liability-pays-on",
    file: REESTABLISH,
    find: 'if (!follows) return { kind: "liability", state: adopted };',
    replace: 'if (!follows) return { kind: "liability", state: { ...adopted, behind: undefined } };',
  },
  {
    name: "behind-forgotten",
    file: REESTABLISH,
    find: "return known !== undefined && known.nonce >= returned.nonce ? known : returned;",
    replace: "return returned;",
  },
  {
    name: "stop-with-a-forgotten-nonce",
    file: REESTABLISH,
    find: "state: { ...withLastNonce(adopted, target.nonce), behind: undefined } };",
    replace: "state: { ...adopted, behind: undefined } };",
  },
  {
    name: "resend-one-too-late",
    file: REESTABLISH,
    find: "resendFrom: held.nonce + 1n, returnFrom };",
    replace: "resendFrom: held.nonce + 2n, returnFrom };",
  },
  {
    name: "return-one-too-late",
    file: REESTABLISH,
    find: "const returnFrom = message.sentNonce + 1n;",
    replace: "const returnFrom = message.sentNonce + 2n;",
  },
  {
    name: "reconnecting-unacknowledges",
    file: REESTABLISH,
    find: "const acknowledged = held.nonce > state.acknowledged ? held.nonce : state.acknowledged;",
    replace: "const acknowledged = held.nonce;",
  },
  // The chain
  {
    name: "deposit-at-the-tip",
    file: CHAIN,
    find: "deposits: confirmed.deposits,",
    replace: "deposits: newest.deposits,",
  },
  {
    name: "withdrawal-only-confirmed",
    file: CHAIN,
    find: "maxAmount(confirmed.withdrawn[0], newest.withdrawn[0]),",
    replace: "confirmed.withdrawn[0],",
  },
  {
    name: "close-seen-late",
    file: CHAIN,
    find: 'if (newest.status === "closing" || newest.status === "settled") return "closing";',
    replace: 'if (confirmed.status === "closing" || confirmed.status === "settled") return "closing";',
  },
  {
    name: "close-undone-by-reorganisation",
    file: CHAIN,
    find: 'if (terms.phase === "settled" || terms.phase === "closing") return terms.phase;',
    replace: 'if (terms.phase === "settled") return terms.phase;',
  },
  {
    name: "challenge-forgotten",
    file: CHAIN,
    find: "if (state.received.nonce > chain.recorded[payer])",
    replace: "if (state.received.nonce > chain.recorded[payer] + 1n)",
  },
  {
    name: "challenge-in-the-wrong-direction",
    file: CHAIN,
    find: "const payer = otherSide(state.side);\n  if (state.received",
    replace: "const payer = state.side;\n  if (state.received",
  },
  {
    name: "settle-one-late",
    file: CHAIN,
    find: "if (newest >= chain.deadline)",
    replace: "if (newest > chain.deadline)",
  },
  {
    name: "close-without-proof",
    file: CHAIN,
    find: 'return { kind: "startClose", proof: state.received };',
    replace: 'return { kind: "startClose", proof: state.sent };',
  },
  {
    name: "serve-what-a-close-does-not-pay",
    file: CHAIN,
    find: "stop?.signed === undefined ? minAmount(recorded, state.received.nonce) : 0n",
    replace: "minAmount(recorded, state.received.nonce)",
  },
  // Bytes
  {
    name: "amount-cut-to-fit",
    file: "bytes.ts",
    find: 'if (value < 0n || value > MAX_UINT128) throw new RangeError("not a uint128");',
    replace: "",
  },
  {
    name: "history-without-the-past",
    file: "proof.ts",
    find: "link.set(history);",
    replace: "",
  },
  {
    name: "endorsement-is-a-proof",
    file: "digests.ts",
    find: "return this.#proofDigest(this.#endorsement, channelId, proof);",
    replace: "return this.#proofDigest(this.#balanceProof, channelId, proof);",
  },
  {
    name: "digest-without-locks",
    file: "digests.ts",
    find: "putUint256(view, 128, proof.locked);",
    replace: "",
  },
  {
    name: "id-without-salt",
    file: "channel.ts",
    find: "putUint256(view, 8 * 32, channel.salt);",
    replace: "",
  },
  {
    name: "same-signer-twice",
    file: "channel.ts",
    find: "if (signerOf(channel, 0) === signerOf(channel, 1))",
    replace: "if (channel.signer0 === channel.signer1 && channel.salt < 0n)",
  },
  {
    name: "zero-payments",
    file: "entries.ts",
    find: 'if (amount === 0n) return malformed(offset, "zero amount");',
    replace: "",
  },
  {
    name: "locks-taken",
    file: "entries.ts",
    find: 'return isLock ? refuse("lock_limit_exceeded", { limit: 0n }) : malformed(offset, "unknown entry");',
    replace: 'if (!isLock) return malformed(offset, "unknown entry");',
  },
  {
    name: "refund-of-nothing",
    file: "entries.ts",
    find: "if ((flags & FLAG_REFUND) !== 0 && (flags & FLAG_REFERENCE) === 0)",
    replace: "if ((flags & FLAG_REFUND) === 0xff)",
  },
  {
    name: "leading-zeros",
    file: "bytes.ts",
    find: "if (bytes.length > 32 || bytes[0] === 0) return undefined;",
    replace: "if (bytes.length > 32) return undefined;",
  },
  {
    name: "deadline-is-a-lie",
    file: "refusal.ts",
    find: '  "returned_proof_invalid",\n',
    replace: '  "returned_proof_invalid",\n  "deadline_out_of_bounds",\n',
  },
];
