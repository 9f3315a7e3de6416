import type { MinedCost } from "../../chain/publisher.ts";
import {
  type Address,
  type ChannelId,
  type ChannelState,
  channelIdFromBytes,
  type Hex,
} from "../../protocol/index.ts";
import { decodeChannelState } from "../../store/channelRecord.ts";
import type { GroupCommit } from "../../store/groupCommit.ts";
import { channelIdOfKey, channelRange } from "../../store/keys.ts";
import type { Op, StoreReader } from "../../store/store.ts";
import { type ListOptions, type Records, splitTimePrefix, timePrefix } from "../records.ts";
import { sendOf } from "../sends/sendOrder.ts";
import {
  chainTotals,
  type Drawing,
  type GasPaid,
  type Movement,
  type MovementKind,
  movementsBetween,
} from "./movement.ts";
import { PayoutJournal } from "./payoutJournal.ts";

const MOVEMENTS = "movement";
const GAS = "gas";
const DRAWINGS = "drawing";
/** Intent and transaction hash → what it cost. */
const GAS_OF = "gasOf";
/** Transaction hash → its key among the others: the same receipt may be read twice. */
const GAS_NOTED = "gasNoted";
const MARKS = "books";
const BEGUN = "begun";

/** Records per batch while the books begin. */
const BATCH = 4_096;

interface StoredMovement {
  readonly kind: MovementKind;
  readonly channelId: ChannelId;
  readonly token: Address;
  readonly amount: string;
  readonly total: string;
}

interface StoredDrawing {
  readonly token: Address;
  readonly to: Address;
  readonly amount: string;
}

interface StoredGas {
  readonly intent: string;
  readonly amount: string;
}

interface StoredCost {
  readonly gasUsed: string;
  readonly amount: string;
}

/** Half-open, Unix milliseconds. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

/**
 * What cannot be read off a channel's record and updates: when the chain moved our money, what was sent out of the
 * account, and what gas cost.
 * Movements are derived from a channel's states and written in the very batch that makes the new state true.
 */
export class BookJournal {
  /** What the escrow kept for us, and what was fetched from there. */
  readonly payouts: PayoutJournal;
  readonly #records: Records;
  readonly #store: StoreReader;
  readonly #committer: GroupCommit;

  constructor(records: Records, store: StoreReader, committer: GroupCommit) {
    this.payouts = new PayoutJournal(records);
    this.#records = records;
    this.#store = store;
    this.#committer = committer;
  }

  /** The records of what moved between two states of a channel, for the batch that writes the second. */
  ops(before: ChannelState, after: ChannelState, time: number): Op[] {
    if (before.terms.chain === after.terms.chain) return [];
    const totals = chainTotals(before.terms.chain, before.side);
    return movementsBetween(totals, after, time).map((movement) => this.#op(movement));
  }

  /**
   * Opens the books of a database that was kept without: each channel's totals so far become its first movements.
   * Does nothing the second time; cut off in the middle it begins again with the same records.
   */
  async begin(signal: AbortSignal): Promise<void> {
    if ((await this.#records.get(MARKS, BEGUN)) !== undefined) return;
    let ops: Op[] = [];
    for await (const [key, value] of this.#store.range({ ...channelRange(), signal })) {
      const state = decodeChannelState(channelIdFromBytes(channelIdOfKey(key)), value);
      ops.push(...movementsBetween(undefined, state, 0).map((movement) => this.#op(movement)));
      if (ops.length < BATCH) continue;
      await this.#committer.commit(ops, { sync: false });
      ops = [];
    }
    ops.push(this.#records.putOp(MARKS, BEGUN, { time: Date.now() }));
    await this.#committer.commit(ops, { sync: true });
  }

  /**
   * Notes what a mined transaction cost, and what it sent out of the account if it was `done`; the same transaction again
   * changes nothing.
   */
  async noteMined({ hash, intent, gasUsed, amount, done }: MinedCost): Promise<void> {
    if ((await this.#records.get(GAS_NOTED, hash)) !== undefined) return;
    const key = `${timePrefix(Date.now())}/${hash}`;
    const gas: StoredGas = { intent, amount: amount.toString() };
    const cost: StoredCost = { gasUsed: `${gasUsed}`, amount: `${amount}` };
    const ops = [
      this.#records.putOp(GAS, key, gas),
      this.#records.putOp(GAS_NOTED, hash, key),
      this.#records.putOp(GAS_OF, `${intent}/${hash}`, cost),
    ];
    const sent = done ? await sendOf(this.#records, intent) : undefined;
    if (sent !== undefined) {
      const { token, to } = sent;
      const drawing: StoredDrawing = { token, to, amount: sent.amount };
      ops.push(this.#records.putOp(DRAWINGS, key, drawing));
    }
    await this.#committer.commit(ops, { sync: true });
  }

  /** In the order of time. */
  async *movements({ from, to }: Period, signal?: AbortSignal): AsyncGenerator<Movement> {
    for await (const { key, value } of this.#list<StoredMovement>(MOVEMENTS, { from, to }, signal)) {
      yield {
        ...value,
        time: splitTimePrefix(key).time,
        amount: BigInt(value.amount),
        total: BigInt(value.total),
      };
    }
  }

  /** Each channel's, in the order of time. */
  async movementsByChannel(period: Period, signal?: AbortSignal): Promise<Map<ChannelId, Movement[]>> {
    const moved = new Map<ChannelId, Movement[]>();
    for await (const movement of this.movements(period, signal)) {
      const list = moved.get(movement.channelId);
      if (list === undefined) moved.set(movement.channelId, [movement]);
      else list.push(movement);
    }
    return moved;
  }

  /** In the order of time. */
  async *gas({ from, to }: Period, signal?: AbortSignal): AsyncGenerator<Omit<GasPaid, "gasUsed">> {
    for await (const { key, value } of this.#list<StoredGas>(GAS, { from, to }, signal)) {
      const { time, rest } = splitTimePrefix(key);
      yield { time, hash: rest as Hex, intent: value.intent, amount: BigInt(value.amount) };
    }
  }

  /** What was sent out of the account, in the order of time. */
  async *drawings({ from, to }: Period, signal?: AbortSignal): AsyncGenerator<Drawing> {
    for await (const { key, value } of this.#list<StoredDrawing>(DRAWINGS, { from, to }, signal)) {
      const { time, rest } = splitTimePrefix(key);
      yield { time, hash: rest as Hex, token: value.token, to: value.to, amount: BigInt(value.amount) };
    }
  }

  /** Gas used, and wei paid for it, by all intents whose names are one of these or go on behind a slash. */
  async gasOf(intents: readonly string[]): Promise<{ readonly used: bigint; readonly amount: bigint }> {
    let [used, spent] = [0n, 0n];
    for (const intent of intents) {
      for await (const { value } of this.#records.list<StoredCost>(GAS_OF, { prefix: `${intent}/` })) {
        used += BigInt(value.gasUsed);
        spent += BigInt(value.amount);
      }
    }
    return { used, amount: spent };
  }

  #list<Value>(namespace: string, { from, to }: Period, signal: AbortSignal | undefined) {
    const options: ListOptions = { from: timePrefix(from), to: timePrefix(to), signal };
    return this.#records.list<Value>(namespace, options);
  }

  #op({ kind, channelId, token, amount, total, time }: Movement): Op {
    const value: StoredMovement = {
      kind,
      channelId,
      token,
      amount: amount.toString(),
      total: total.toString(),
    };
    return this.#records.putOp(MOVEMENTS, `${timePrefix(time)}/${channelId}/${kind}/${total}`, value);
  }
}
