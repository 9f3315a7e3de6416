import { fromHex } from "../../../src/protocol/bytes.ts";
import {
  addressOfPublicKey,
  type CooperativeClose,
  otherSide,
  participantOf,
  type Side,
  type SignedProof,
  signerOf,
} from "../../../src/protocol/index.ts";
import { CHALLENGE_PERIOD, CHANNEL, CHANNEL_ID, crypto, digests, NOW } from "../support/channel.ts";

type Pair<T> = readonly [T, T];

/** What is recorded of one direction. */
interface Recorded {
  readonly nonce: bigint;
  readonly transferred: bigint;
}

/** One channel as the escrow's storage holds it. */
export interface EscrowState {
  readonly status: "none" | "open" | "closing" | "settled";
  readonly deposits: Pair<bigint>;
  readonly withdrawn: Pair<bigint>;
  readonly deadline: bigint;
  /** By payer. */
  readonly recorded: Pair<Recorded>;
  readonly shares: Pair<bigint> | undefined;
}

/** Undefined: it reverts. */
export type Transaction = (state: EscrowState, now: bigint) => EscrowState | undefined;

interface Block {
  readonly time: bigint;
  readonly state: EscrowState;
  readonly transactions: readonly Transaction[];
}

/** Blocks on top of one before it counts as confirmed; reorganisations here are never deeper. */
export const CONFIRMATIONS = 2;

const ID = fromHex(CHANNEL_ID);
const NOTHING: Recorded = { nonce: 0n, transferred: 0n };
const UNOPENED: EscrowState = {
  status: "none",
  deposits: [0n, 0n],
  withdrawn: [0n, 0n],
  deadline: 0n,
  recorded: [NOTHING, NOTHING],
  shares: undefined,
};

function put<T>(pair: Pair<T>, side: Side, value: T): Pair<T> {
  return side === 0 ? [value, pair[1]] : [pair[0], value];
}

function isBy(side: Side, digest: Uint8Array, signature: Uint8Array): boolean {
  const key = crypto.ecdsa.recover(digest, signature);
  return key !== undefined && addressOfPublicKey(key, crypto.keccak256) === signerOf(CHANNEL, side);
}

/** The settlement formula, straight from the contract's specification. */
export function sharesOf(
  deposits: Pair<bigint>,
  withdrawn: Pair<bigint>,
  transferred: Pair<bigint>,
): Pair<bigint> {
  const total = deposits[0] + deposits[1] - withdrawn[0] - withdrawn[1];
  const exact = deposits[0] - withdrawn[0] + transferred[1] - transferred[0];
  const share0 = exact < 0n ? 0n : exact > total ? total : exact;
  return [share0, total - share0];
}

export function deposit(side: Side, amount: bigint): Transaction {
  return (state) => {
    if (state.status !== "none" && state.status !== "open") return undefined;
    return { ...state, status: "open", deposits: put(state.deposits, side, state.deposits[side] + amount) };
  };
}

export function withdraw(
  side: Side,
  total: bigint,
  deadline: bigint,
  signatures: Pair<Uint8Array>,
): Transaction {
  const terms = { participant: participantOf(CHANNEL, side), totalWithdrawn: total, deadline };
  return (state, now) => {
    const digest = digests.withdrawal(ID, terms);
    if (state.status !== "open" || now > deadline) return undefined;
    if (!isBy(0, digest, signatures[0]) || !isBy(1, digest, signatures[1])) return undefined;
    if (total <= state.withdrawn[side]) return state;
    const withdrawn = put(state.withdrawn, side, total);
    if (withdrawn[0] + withdrawn[1] > state.deposits[0] + state.deposits[1]) return undefined;
    return { ...state, withdrawn };
  };
}

export function closeCooperatively(close: CooperativeClose, signatures: Pair<Uint8Array>): Transaction {
  return (state, now) => {
    const digest = digests.cooperativeClose(ID, close);
    if ((state.status !== "open" && state.status !== "closing") || now > close.deadline) return undefined;
    if (!isBy(0, digest, signatures[0]) || !isBy(1, digest, signatures[1])) return undefined;
    const transferred = [close.transferred0, close.transferred1] as const;
    return { ...state, status: "settled", shares: sharesOf(state.deposits, state.withdrawn, transferred) };
  };
}

/** `payer`'s proof by its payee; nonce 0 is no proof. */
export function challenge(payer: Side, proof: SignedProof): Transaction {
  return (state, now) => {
    if (state.status !== "closing" || now >= state.deadline) return undefined;
    return record(state, payer, proof);
  };
}

function record(state: EscrowState, payer: Side, proof: SignedProof): EscrowState | undefined {
  if (proof.nonce === 0n) return state;
  if (!isBy(payer, digests.balanceProof(ID, proof), proof.signature)) return undefined;
  if (proof.nonce === state.recorded[payer].nonce) return state;
  if (proof.nonce < state.recorded[payer].nonce) return undefined;
  const { nonce, transferred } = proof;
  return { ...state, recorded: put(state.recorded, payer, { nonce, transferred }) };
}

/** By `closer`, with its counterparty's proof. */
export function startClose(closer: Side, proof: SignedProof): Transaction {
  return (state, now) => {
    if (state.status === "closing") return challenge(otherSide(closer), proof)(state, now);
    if (state.status !== "open") return undefined;
    const deadline = now + BigInt(CHALLENGE_PERIOD);
    return record({ ...state, status: "closing", deadline }, otherSide(closer), proof);
  };
}

export const settle: Transaction = (state, now) => {
  if (state.status !== "closing" || now < state.deadline) return undefined;
  const transferred = [state.recorded[0].transferred, state.recorded[1].transferred] as const;
  return { ...state, status: "settled", shares: sharesOf(state.deposits, state.withdrawn, transferred) };
};

/** A chain that holds nothing but one channel: blocks, a pool of transactions, and reorganisations. */
export class EscrowChain {
  #blocks: Block[] = [{ time: NOW, state: UNOPENED, transactions: [] }];
  #pool: Transaction[] = [];

  get newest(): Block {
    return this.#blocks.at(-1)!;
  }

  get confirmed(): Block {
    return this.#blocks.at(-1 - CONFIRMATIONS) ?? this.#blocks[0]!;
  }

  submit(transaction: Transaction): void {
    this.#pool.push(transaction);
  }

  /** One block `seconds` later with all that waits, in the order given or the reverse: whoever pays more is first. */
  mine(seconds: bigint, reversed = false): void {
    const time = this.newest.time + seconds;
    const transactions = reversed ? this.#pool.toReversed() : this.#pool;
    this.#pool = [];
    let { state } = this.newest;
    for (const transaction of transactions) state = transaction(state, time) ?? state;
    this.#blocks.push({ time, state, transactions });
  }

  /**
   * Replaces the newest `depth` blocks, at most the unconfirmed ones, by as many without their transactions, which
   * wait again.
   */
  reorganise(depth: number): number {
    const removed = this.#blocks.splice(-Math.min(depth, CONFIRMATIONS, this.#blocks.length - 1));
    const waiting = [...removed.flatMap(({ transactions }) => transactions), ...this.#pool];
    this.#pool = [];
    for (const _ of removed) this.mine(13n);
    this.#pool = waiting;
    return removed.length;
  }
}
