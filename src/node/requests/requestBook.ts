import { timingSafeEqual } from "node:crypto";
import {
  type Address,
  type ChannelId,
  checkEntries,
  type Hex,
  readTransfers,
  type Transfer,
  type Update,
} from "../../protocol/index.ts";
import type { Op } from "../../store/store.ts";
import { hasApplicationId } from "../channel/paymentIds.ts";
import { NodeError } from "../error.ts";
import type { Records } from "../records.ts";
import { KeptRequests, makerKey } from "./keptRequests.ts";
import { MAX_OPEN_OF_ONE, OpenOfMakers } from "./openOfMakers.ts";
import { refundKey, type StoredRefunds } from "./refund.ts";
import type { RequestPayment } from "./requestInfo.ts";
import {
  idKeyOf,
  idKeyOfTransfer,
  NAMESPACE,
  type StoredKey,
  type StoredPayment,
  type StoredRequest,
  splitTimeKey,
  storedPaymentOf,
  timeKey,
} from "./requestRecord.ts";
import type { SecretOf } from "./requestSecret.ts";
import {
  EXPIRY_GRACE_SECONDS,
  type ExpectedPayment,
  expectedOf,
  forgottenWith,
  isOver,
  judge,
  type RefundReason,
} from "./verdict.ts";

/** Requests that wait to be paid, all in memory so that a payment is judged in the turn it is written: 30 MB. */
export const MAX_OPEN_REQUESTS = 100_000;

/** How often requests nobody can pay any more leave the memory. Those paid stay that long after they were. */
const SWEEP_MS = 60_000;

/** Requests read at once at start. */
const PAGE = 256;

/** Where payments come from. */
export interface PaymentSource {
  readonly channelId: ChannelId;
  readonly peer: Address;
  readonly token: Address;
}

/** The requests that transfers of some updates name, by payment id. */
export type Known = ReadonlyMap<string, ExpectedPayment>;

/** What follows from a run of updates: the ops belong in the batch that stores them. */
export interface Judgement {
  readonly ops: readonly Op[];
  /** Payment ids of the requests they pay. */
  readonly paid: readonly string[];
  readonly refunds: number;
}

/** A request's idempotency key, hashed, and the content it was given with. */
export interface RequestName {
  readonly key: string;
  readonly content: string;
}

type Commit = (ops: Op[]) => Promise<void>;

interface BookInit {
  readonly records: Records;
  /** The history's record of a paid request, for the batch that makes it paid. */
  readonly remember: (paid: { readonly paymentHash: Hex }) => readonly Op[];
  readonly secretOf: SecretOf;
  /** Our clock, Unix seconds. */
  readonly now: () => number;
  /** The database may have lost payments that were in time and come again now: lateness is not judged. */
  readonly lost: boolean;
}

/** Which requests this node made and which payments pay them. A request is paid in the batch that stores its payment. */
export class RequestBook {
  readonly #init: BookInit;
  /** What of all this is on disk, until it is forgotten. */
  readonly kept: KeptRequests;
  readonly #expected = new Map<string, ExpectedPayment>();
  readonly #makers = new OpenOfMakers();
  /** Those that leave the memory in the next round, and whether they were over when that was decided. */
  readonly #swept = new Map<string, boolean>();
  #any = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(init: BookInit) {
    this.#init = init;
    this.kept = new KeptRequests(init.records);
  }

  /** The secret of a request of ours. */
  get secretOf(): SecretOf {
    return this.#init.secretOf;
  }

  /** No request was ever made here: nothing that arrives can pay one. */
  get isEmpty(): boolean {
    return !this.#any;
  }

  /** Reads the open requests. Before anything is received. */
  async open(stopping: AbortSignal): Promise<void> {
    const { records, now, lost } = this.#init;
    await this.kept.open(lost);
    for (const namespace of [NAMESPACE.request, NAMESPACE.forgotten])
      for await (const _ of records.list(namespace, { limit: 1 })) this.#any = true;
    const from = timeKey(Math.max(0, Math.floor(now()) - EXPIRY_GRACE_SECONDS), "");
    let page: string[] = [];
    for await (const { key } of records.list(NAMESPACE.open, { from })) {
      if (page.push(splitTimeKey(key).idKey) < PAGE) continue;
      await this.#load(page);
      page = [];
    }
    await this.#load(page);
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
    stopping.addEventListener("abort", () => clearInterval(this.#timer), { once: true });
  }

  /** Throws `requests_full`: asked before anything is signed, too. */
  assertRoom(maker: string | undefined): void {
    const limit = this.#fullFor(maker);
    if (limit === undefined) return;
    throw new NodeError({ code: "requests_full", fields: { limit: BigInt(limit) } });
  }

  /** Stores a request durably, under the hash of an idempotency key too, and expects its payment from then on. */
  async add(stored: StoredRequest, name: RequestName | undefined, commit: Commit): Promise<void> {
    const { records, now } = this.#init;
    this.assertRoom(stored.maker);
    const { expiresAt, maker } = stored;
    const idKey = idKeyOf(stored.paymentHash);
    const listed = timeKey(Math.floor(now() * 1000), idKey);
    this.#any = true;
    this.#expect(idKey, expectedOf(stored, false));
    await commit([
      ...(name === undefined ? [] : [this.#nameOp(name, idKey)]),
      records.putOp(NAMESPACE.request, idKey, stored),
      records.putOp(NAMESPACE.open, timeKey(expiresAt, idKey), 1),
      records.putOp(NAMESPACE.byTime, listed, 1),
      ...this.kept.add([
        [
          { maker: makerKey(maker), idKey, expiresAt },
          { listed, named: name?.key },
        ],
      ]),
    ]);
  }

  /**
   * Nothing pays the request from this call on; resolves once that is durable. A payment that was judged before stays
   * one.
   */
  async cancel(idKey: string, commit: Commit): Promise<"cancelled" | "paid" | "unknown"> {
    const { records, now } = this.#init;
    const stored = await records.get<StoredRequest>(NAMESPACE.request, idKey);
    const expected = (await this.#load([idKey])).get(idKey);
    if (stored === undefined || expected === undefined || expected.forgotten) return "unknown";
    if (expected.paid) return "paid";
    expected.cancelled = true;
    this.#unexpect(idKey, expected);
    const cancelledAt = stored.cancelledAt ?? Math.floor(now());
    await commit([
      records.putOp(NAMESPACE.request, idKey, { ...stored, cancelledAt }),
      records.deleteOp(NAMESPACE.open, timeKey(stored.expiresAt, idKey)),
    ]);
    return "cancelled";
  }

  /** Nothing pays these any more once this resolves, since they are to be forgotten. Returns all but the paid ones. */
  async giveUp(idKeys: readonly string[]): Promise<ReadonlySet<string>> {
    const loaded = await this.#load(idKeys);
    const unpaid = new Set<string>();
    for (const [idKey, expected] of loaded) {
      if (expected.paid) continue;
      expected.forgotten = true;
      this.#unexpect(idKey, expected);
      unpaid.add(idKey);
    }
    return unpaid;
  }

  /**
   * The requests that transfers of `updates` name. Asked before the updates are judged, because judging and writing
   * happen in one turn and have no time to read.
   */
  async look(updates: readonly Update[]): Promise<Known> {
    const known = new Map<string, ExpectedPayment>();
    const unknown = new Map<string, Transfer[]>();
    for (const { entries } of updates) {
      // Not judged yet, so perhaps no entries at all.
      if (!hasApplicationId(entries) || !checkEntries(entries).ok) continue;
      for (const transfer of readTransfers(entries)) {
        if (!mayPay(transfer)) continue;
        const idKey = idKeyOfTransfer(transfer.paymentId);
        const expected = this.#expected.get(idKey);
        if (expected !== undefined) known.set(idKey, expected);
        else if (unknown.get(idKey)?.push(transfer) === undefined) unknown.set(idKey, [transfer]);
      }
    }
    if (unknown.size === 0) return known;
    const loaded = await this.#load([...unknown.keys()]);
    for (const [idKey, transfers] of unknown) {
      const expected = loaded.get(idKey) ?? this.#forgotten(transfers);
      if (expected !== undefined) known.set(idKey, expected);
    }
    return known;
  }

  /**
   * What stands for a request of ours that is not on disk any more, if `transfers`, of one id, have its secret. After a
   * loss it may be one that was paid.
   */
  #forgotten(transfers: readonly Transfer[]): ExpectedPayment | undefined {
    const { lost, secretOf } = this.#init;
    const named = transfers.filter(({ reference }) => reference !== undefined);
    if (lost || named.length === 0) return undefined;
    const secret = secretOf(named[0]!.paymentId);
    return named.some(({ reference }) => timingSafeEqual(reference!, secret))
      ? forgottenWith(secret)
      : undefined;
  }

  /** Decides, in one turn and for ever, what the transfers of updates just accepted pay. */
  judge(source: PaymentSource, updates: readonly Update[], known: Known): Judgement {
    const ops: Op[] = [];
    const paid: string[] = [];
    let refunds = 0;
    for (const { proof, entries } of updates) {
      const wrong: [index: number, reason: RefundReason][] = [];
      let index = -1;
      for (const transfer of readTransfers(entries)) {
        index++;
        if (!mayPay(transfer)) continue;
        const idKey = idKeyOfTransfer(transfer.paymentId);
        const expected = known.get(idKey);
        if (expected === undefined) continue;
        const time = Math.floor(this.#init.now());
        const reason = judge(expected, transfer, source.token, this.#init.lost ? undefined : time);
        if (reason !== undefined) {
          wrong.push([index, reason]);
          continue;
        }
        expected.paid = true;
        this.#unexpect(idKey, expected);
        paid.push(idKey);
        const { amount } = transfer;
        const payment = { channelId: source.channelId, nonce: proof.nonce, index, amount, time };
        ops.push(...this.#paidOps(idKey, expected, payment));
      }
      if (wrong.length > 0) ops.push(this.#refundOp(source, proof.nonce, wrong));
      refunds += wrong.length;
    }
    return { ops, paid, refunds };
  }

  #nameOp({ key, content }: RequestName, idKey: string): Op {
    const named: StoredKey = { idKey, content };
    return this.#init.records.putOp(NAMESPACE.byKey, key, named);
  }

  #paidOps(idKey: string, { expiresAt, paymentHash }: ExpectedPayment, payment: RequestPayment): Op[] {
    const { records, remember } = this.#init;
    return [
      ...remember({ paymentHash }),
      records.putOp(NAMESPACE.paid, idKey, storedPaymentOf(payment)),
      records.deleteOp(NAMESPACE.open, timeKey(expiresAt, idKey)),
    ];
  }

  /** One record per update, however many payments it brings. */
  #refundOp({ channelId, peer }: PaymentSource, nonce: bigint, refunds: StoredRefunds["refunds"]): Op {
    const stored: StoredRefunds = { peer, refunds };
    return this.#init.records.putOp(NAMESPACE.refund, refundKey(channelId, nonce), stored);
  }

  /** Reads requests into memory: one object each, whoever asks for it meanwhile. */
  async #load(idKeys: readonly string[]): Promise<Map<string, ExpectedPayment>> {
    const loaded = new Map<string, ExpectedPayment>();
    if (idKeys.length === 0) return loaded;
    const { records } = this.#init;
    const requests = await records.getMany<StoredRequest>(NAMESPACE.request, idKeys);
    const paid = await records.getMany<StoredPayment>(NAMESPACE.paid, idKeys);
    for (const [i, idKey] of idKeys.entries()) {
      const stored = requests[i];
      const expected = this.#expected.get(idKey) ?? (stored && expectedOf(stored, paid[i] !== undefined));
      if (expected === undefined) continue;
      loaded.set(idKey, expected);
      // Those paid long ago are judged the same whatever object stands for them.
      if (!isOver(expected)) this.#expect(idKey, expected);
    }
    return loaded;
  }

  /** The bound that another request of `maker` would break, or undefined. */
  #fullFor(maker: string | undefined): number | undefined {
    if (this.#expected.size >= MAX_OPEN_REQUESTS) return MAX_OPEN_REQUESTS;
    const isFull = maker !== undefined && this.#makers.isFull(maker, this.#init.now());
    return isFull ? MAX_OPEN_OF_ONE : undefined;
  }

  #expect(idKey: string, expected: ExpectedPayment): void {
    this.#expected.set(idKey, expected);
    const { maker, createdAt, expiresAt } = expected;
    const payableUntil = expiresAt + EXPIRY_GRACE_SECONDS;
    if (maker !== undefined) this.#makers.add(maker, idKey, { createdAt, payableUntil });
  }

  /** It no longer counts for its maker; it stays in memory until it is swept. */
  #unexpect(idKey: string, { maker }: ExpectedPayment): void {
    if (maker !== undefined) this.#makers.drop(maker, idKey);
  }

  /** A round later than its state asks for, so that a payment being written is never read as unpaid. */
  #sweep(): void {
    const { now, records } = this.#init;
    const past = now() - EXPIRY_GRACE_SECONDS - SWEEP_MS / 1000;
    for (const [idKey, over] of this.#swept) {
      const expected = this.#expected.get(idKey);
      if (expected !== undefined && isOver(expected) === over) this.#expected.delete(idKey);
    }
    this.#swept.clear();
    this.#makers.sweep(now());
    for (const [idKey, expected] of this.#expected) {
      const over = isOver(expected);
      if (!over && expected.expiresAt >= past) continue;
      this.#swept.set(idKey, over);
      if (over) continue;
      // What a lost write leaves behind is only read once more at the next start.
      records.delete(NAMESPACE.open, timeKey(expected.expiresAt, idKey), { sync: false }).catch(() => {});
    }
  }
}

/** A request's payment has an id its payer chose, and a refund is never refunded. */
function mayPay({ applicationId, refund }: Transfer): boolean {
  return applicationId && !refund;
}
