import { randomBytes } from "node:crypto";
import type { Address, ChannelId, Hex } from "../../protocol/index.ts";
import { NodeError } from "../error.ts";
import type { Records } from "../records.ts";

/** A payment that waits for a human. It is not made before, and never after it expired. */
export interface Approval {
  readonly id: string;
  readonly state: "waiting" | "approved" | "denied" | "expired";
  /** Unix seconds. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly rule: string;
  readonly reason: string;
  readonly spender?: string | undefined;
  /** Whose flood this would be part of, see `answererOf`. */
  readonly answersAs: string;
  readonly peer: Address;
  readonly channelId: ChannelId;
  readonly token: Address;
  readonly amount: bigint;
  readonly paymentId: Hex;
}

type Stored = Omit<Approval, "amount"> & { readonly amount: string };

const NAMESPACE = "approval";

/** How long a held payment waits: over a night. */
export const APPROVAL_SECONDS = 24 * 3600;

/** Waiting at once, of one spender with all that were made from it, and of all: what a human could look at. */
const MAX_WAITING_PER_SPENDER = 20;
const MAX_WAITING = 1_000;

/** Ended ones are kept this long beyond their expiry. */
const KEPT_SECONDS = 30 * 24 * 3600;

/** Payments held for approval. One per payment and who answers for it: nobody uses what another was allowed. */
export class Approvals {
  readonly #records: Records;
  /** All that are kept, oldest first. */
  readonly #approvals = new Map<string, Approval>();
  readonly #byPayment = new Map<string, string>();
  /** Where a payment was held last. */
  readonly #channels = new Map<string, ChannelId>();

  private constructor(records: Records) {
    this.#records = records;
  }

  static async open(records: Records): Promise<Approvals> {
    const approvals = new Approvals(records);
    const oldest = Math.floor(Date.now() / 1000) - KEPT_SECONDS;
    for await (const { key, value } of records.list<Stored>(NAMESPACE)) {
      if (value.expiresAt < oldest) await records.delete(NAMESPACE, key, { sync: false });
      else approvals.#keep({ ...value, amount: BigInt(value.amount) });
    }
    return approvals;
  }

  /** Newest first, each as it is now. */
  list(): Approval[] {
    return [...this.#approvals.values()].reverse().map(asOfNow);
  }

  /** Throws `approval_unknown`. */
  get(id: string): Approval {
    const approval = this.#approvals.get(id);
    if (approval === undefined) throw new NodeError({ code: "approval_unknown", fields: { id } });
    return asOfNow(approval);
  }

  /** What was decided about this payment, if it was ever held for whoever answers as `answersAs`. */
  of(payment: Pick<Approval, "answersAs" | "channelId" | "paymentId">): Approval | undefined {
    const id = this.#byPayment.get(nameOf(payment));
    return id === undefined ? undefined : this.get(id);
  }

  /** The channel on which this payment was held last, if it ever was. */
  channelOf(payment: Pick<Approval, "answersAs" | "paymentId">): ChannelId | undefined {
    return this.#channels.get(placeOf(payment));
  }

  /** Holds a payment, durably. Throws `queue_full` when too many wait already. */
  async hold(payment: Omit<Approval, "id" | "state" | "createdAt" | "expiresAt">): Promise<Approval> {
    this.#prune();
    const waiting = this.list().filter(({ state }) => state === "waiting");
    const own = waiting.filter(({ answersAs }) => answersAs === payment.answersAs);
    const limit = own.length >= MAX_WAITING_PER_SPENDER ? MAX_WAITING_PER_SPENDER : MAX_WAITING;
    if (own.length >= MAX_WAITING_PER_SPENDER || waiting.length >= MAX_WAITING) {
      throw new NodeError({ code: "queue_full", fields: { limit: BigInt(limit) } });
    }
    const createdAt = Math.floor(Date.now() / 1000);
    const id = `${createdAt.toString(36)}${randomBytes(8).toString("hex")}`;
    const expiresAt = createdAt + APPROVAL_SECONDS;
    const approval: Approval = { ...payment, id, state: "waiting", createdAt, expiresAt };
    this.#keep(approval);
    await this.#write(approval);
    return approval;
  }

  /** Decides about a waiting payment; resolves once durable. Throws `approval_unknown`, `approval_ended`. */
  async decide(id: string, state: "approved" | "denied"): Promise<Approval> {
    const approval = this.get(id);
    if (approval.state === state) return approval;
    // A second thought may still deny: what was paid meanwhile stays paid.
    const open = approval.state === "waiting" || (approval.state === "approved" && state === "denied");
    if (!open) throw new NodeError({ code: "approval_ended", fields: { id, state: approval.state } });
    const decided: Approval = { ...approval, state };
    // A denial holds at once, an approval only once it is on disk.
    if (state === "denied") this.#approvals.set(id, decided);
    await this.#write(decided);
    if (state === "approved" && this.#approvals.get(id)?.state === "waiting")
      this.#approvals.set(id, decided);
    return this.get(id);
  }

  /** Oldest first: ends at the first that is kept. */
  #prune(): void {
    const oldest = Math.floor(Date.now() / 1000) - KEPT_SECONDS;
    for (const approval of this.#approvals.values()) {
      if (approval.expiresAt >= oldest) return;
      this.#approvals.delete(approval.id);
      this.#byPayment.delete(nameOf(approval));
      if (this.channelOf(approval) === approval.channelId) this.#channels.delete(placeOf(approval));
    }
  }

  #keep(approval: Approval): void {
    this.#approvals.set(approval.id, approval);
    this.#byPayment.set(nameOf(approval), approval.id);
    this.#channels.set(placeOf(approval), approval.channelId);
  }

  #write(approval: Approval): Promise<void> {
    const stored: Stored = { ...approval, amount: `${approval.amount}` };
    return this.#records.put(NAMESPACE, approval.id, stored, { sync: true });
  }
}

function nameOf(payment: Pick<Approval, "answersAs" | "channelId" | "paymentId">): string {
  return `${placeOf(payment)}/${payment.channelId}`;
}

function placeOf({ answersAs, paymentId }: Pick<Approval, "answersAs" | "paymentId">): string {
  return `${answersAs}/${paymentId}`;
}

function asOfNow(approval: Approval): Approval {
  const over = Date.now() / 1000 >= approval.expiresAt;
  if (!over || approval.state === "denied" || approval.state === "expired") return approval;
  return { ...approval, state: "expired" };
}
