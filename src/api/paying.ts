import { hash } from "node:crypto";
import { NodeError } from "../node/error.ts";
import { GATE_REFUSALS } from "../node/limits/refusals.ts";
import type { ChannelInfo, RivuletNode } from "../node/node.ts";
import type { Receipt } from "../node/payment.ts";
import type { PaidRequest } from "../node/requests/requestPayer.ts";
import { type Address, type ChannelId, PAYMENT_ID_BYTES } from "../protocol/index.ts";
import type { Caller } from "./caller.ts";
import { ApiError } from "./error.ts";
import type { Metrics } from "./metrics.ts";
import { PerCaller } from "./perCaller.ts";

/** What a caller asks to be paid: on a channel, or to a peer in a token. */
export interface PayOrder {
  readonly to: { readonly channelId: ChannelId } | { readonly peer: Address; readonly token: Address };
  readonly amount: bigint;
  readonly reference?: Uint8Array | undefined;
  readonly label?: string | undefined;
}

/** A receipt with what the channel says of it. */
export interface PaidReceipt extends Receipt {
  readonly peer: Address;
  readonly token: Address;
  readonly amount: bigint;
}

/** A paid request; `isNew`: by this call. */
export interface RequestReceipt extends PaidRequest {
  readonly isNew: boolean;
}

interface PayingInit {
  readonly node: RivuletNode;
  /** Milliseconds a payment waits for its peer. */
  readonly patienceMs: number;
  readonly metrics?: Pick<Metrics, "paid">;
}

/** What a key stands for: a digest of what was asked and, where the node chose it, the channel. */
interface KeyRecord {
  readonly asked: string;
  readonly channelId?: ChannelId;
}

const KEYS = "payment-key";

/** How long a payment that was told to give up may take to say whether it was signed. */
const LAST_WORD_MS = 1_000;

/**
 * Payments of one caller under way: each may wait for a peer that is away. Whoever makes many tokens of one stays one.
 */
export const MAX_UNDER_WAY = 1_024;

/** Refusals after which nothing was paid and another channel may be chosen. What is held is held on one channel. */
const UNPAID: ReadonlySet<string> = new Set([
  ...GATE_REFUSALS,
  "insufficient_capacity",
  "channel_not_open",
  "channel_stopped",
  "queue_full",
]);

/**
 * The id of the payment that (access token, key) stands for. The node's own index makes payments with the same id on
 * one channel the same payment for ever.
 */
export function paymentIdOf(accessTokenId: string, idempotencyKey: string): Uint8Array {
  const text = `rivulet/pay\0${accessTokenId}\0${idempotencyKey}`;
  return hash("sha256", text, "buffer").subarray(0, PAYMENT_ID_BYTES);
}

/** Pays for callers: a key is one payment, whatever crashes between two calls with it. */
export class Paying {
  readonly #init: PayingInit;
  /** By payment id, as long as a call is under way: as many as there are calls. */
  readonly #pending = new Map<string, { readonly asked: string; readonly paid: Promise<PaidReceipt> }>();
  readonly #underWay = new PerCaller(MAX_UNDER_WAY);
  readonly #waiting = new Set<AbortController>();

  constructor(init: PayingInit) {
    this.#init = init;
  }

  /** Payments under way. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Pays once per (access token, key) and resolves when the payee holds the payment durably. Throws
   * `idempotency_conflict` when the key stands for another payment, `peer_away` when nothing was signed in time, and
   * `payment_pending` when the acknowledgement did not come in time.
   */
  async pay(caller: Caller, idempotencyKey: string, order: PayOrder): Promise<PaidReceipt> {
    const id = paymentIdOf(caller.accessTokenId, idempotencyKey);
    const name = Buffer.from(id).toString("hex");
    const asked = digestOf(order);
    const pending = this.#pending.get(name);
    if (pending !== undefined) {
      if (pending.asked !== asked) throw conflict(name);
      return pending.paid;
    }
    const paid = this.#counted(caller, () => this.#pay(caller, id, name, asked, order));
    this.#pending.set(name, { asked, paid });
    // Nothing that is told waits for it: by itself the node already makes the same payment of the same id and channel.
    void paid.then(
      () => this.#remember(name, asked, order),
      (error: { code?: string }) => this.#forget(name, asked, order, error.code ?? ""),
    );
    return paid;
  }

  /**
   * Pays a payee's request: once for ever, whatever the key. Waits and says what became of it as `pay` does.
   */
  async payRequest(
    caller: Caller,
    request: string,
    { amount, label }: { readonly amount: bigint | undefined; readonly label: string | undefined },
  ): Promise<RequestReceipt> {
    return this.#counted(caller, () => this.#payRequest(caller, request, { amount, label }));
  }

  async #payRequest(
    caller: Caller,
    request: string,
    { amount, label }: { readonly amount: bigint | undefined; readonly label: string | undefined },
  ): Promise<RequestReceipt> {
    const { node, metrics } = this.#init;
    const { recipient, paymentHash, token } = node.requests.decode(request);
    const name = paymentHash.slice(2, 34);
    const began = performance.now();
    let chosen: ChannelId | undefined;
    let isNew = false;
    const onChannel = (channelId: ChannelId, isUnsigned: boolean) => {
      chosen = channelId;
      isNew = isUnsigned;
    };
    const paid = await this.#patiently(
      () => chosen,
      name,
      recipient,
      (signal) => node.requests.pay(caller.spender, request, { amount, label, signal, onChannel }),
    );
    // Asked for again it is the same payment, and counted already.
    if (isNew) metrics?.paid(token, paid.amount, (performance.now() - began) / 1000);
    return { ...paid, isNew };
  }

  /** Ends the waits for peers that are away. What is signed is still waited for. */
  stop(): void {
    const reason = new ApiError({ code: "api_stopping", fields: {} });
    for (const patience of this.#waiting) patience.abort(reason);
  }

  /** Bounds what one caller lets wait. Rejects with `queue_full`. */
  async #counted<Made>(caller: Caller, make: () => Promise<Made>): Promise<Made> {
    const over = this.#underWay.take(caller);
    if (over === undefined) {
      throw new NodeError({ code: "queue_full", fields: { limit: BigInt(MAX_UNDER_WAY) } });
    }
    try {
      return await make();
    } finally {
      over();
    }
  }

  async #pay(
    caller: Caller,
    id: Uint8Array,
    name: string,
    asked: string,
    order: PayOrder,
  ): Promise<PaidReceipt> {
    const { node } = this.#init;
    const known = await node.records.get<KeyRecord>(KEYS, name);
    if (known !== undefined && known.asked !== asked) throw conflict(name);
    const { to, amount, reference, label } = order;
    const began = performance.now();
    const channelId =
      "channelId" in to
        ? to.channelId
        : (known?.channelId ?? (await this.#choose(caller, name, asked, to, amount)));
    const { peer, token } = await node.history.channelFacts(channelId);
    try {
      const receipt = await this.#patiently(
        () => channelId,
        name,
        peer,
        (signal) => node.spending.pay(caller.spender, { channelId, amount, id, reference, label, signal }),
      );
      // Asked for again it is the same payment, and counted already.
      if (known === undefined) this.#init.metrics?.paid(token, amount, (performance.now() - began) / 1000);
      return { ...receipt, peer, token, amount };
    } catch (error) {
      const isFresh = known === undefined && "peer" in to;
      if (isFresh && UNPAID.has((error as { code: string }).code)) {
        await node.records.delete(KEYS, name, { sync: false });
      }
      throw error;
    }
  }

  /** Keeps what the key stands for, for ever: another payment under it is refused. */
  async #remember(name: string, asked: string, { to }: PayOrder): Promise<void> {
    try {
      if ("channelId" in to) await this.#init.node.records.put(KEYS, name, { asked }, { sync: false });
    } catch {
      // The node stops by itself.
    } finally {
      this.#pending.delete(name);
    }
  }

  /** A payment that may still be made keeps its key. */
  #forget(name: string, asked: string, order: PayOrder, code: string): void {
    if (code === "payment_pending" || code === "node_stopped") void this.#remember(name, asked, order);
    else this.#pending.delete(name);
  }

  /**
   * The connected channel with the most capacity. The choice is durable before anything is signed: a power cut may
   * take the payment back until the peer returns it, and until then another channel would pay it a second time.
   */
  async #choose(
    { spender }: Caller,
    name: string,
    asked: string,
    { peer, token }: { readonly peer: Address; readonly token: Address },
    amount: bigint,
  ): Promise<ChannelId> {
    const { node } = this.#init;
    const channels = await this.#connected(spender, name, { peer, token }, amount);
    const earlier = await this.#paidBefore(name, { peer, token });
    if (earlier !== undefined) return earlier;
    const usable = channels.filter(({ connected }) => connected);
    const best = usable.reduce<ChannelInfo | undefined>(
      (most, channel) => (most === undefined || channel.sendCapacity > most.sendCapacity ? channel : most),
      undefined,
    );
    if (best === undefined) throw away(peer, this.#init.patienceMs);
    if (best.sendCapacity < amount) {
      const fields = { available: best.sendCapacity, needed: amount };
      throw new NodeError({ ok: false, code: "insufficient_capacity", fields });
    }
    const { channelId } = best;
    await node.records.put(KEYS, name, { asked, channelId } satisfies KeyRecord, { sync: true });
    return channelId;
  }

  /**
   * The open channels, once one of them is connected; after a loss of data, once the peer has shown what it holds of all of
   * them: a payment that was forgotten may come back on any, and its id with it.
   */
  async #connected(
    spender: Caller["spender"],
    name: string,
    { peer, token }: { readonly peer: Address; readonly token: Address },
    amount: bigint,
  ): Promise<ChannelInfo[]> {
    const { node } = this.#init;
    for (;;) {
      const channels = await this.#funded(peer, token);
      const open = channels.filter(({ phase }) => phase === "open");
      const awaited = channels.filter(({ channelId }) => node.backup.awaits(channelId));
      const [first] = open;
      if (first === undefined) throw new ApiError({ code: "no_channel", fields: { peer, token } });
      if (awaited.length === 0 && open.some(({ connected }) => connected)) return open;
      // Nobody waits for what could not be paid anyway.
      await node.spending.assertMayPay(spender, { peer, token, amount });
      await this.#patiently(
        () => first.channelId,
        name,
        peer,
        async (signal) => {
          const ready = ({ channelId }: ChannelInfo) => node.ready(channelId, { signal });
          if (awaited.length > 0) await Promise.all(awaited.map(ready));
          else
            await Promise.any(open.map(ready)).catch((error) => {
              throw (error as AggregateError).errors[0];
            });
        },
      );
    }
  }

  /** What a database that lost the key has not forgotten: on which channel it paid. */
  async #paidBefore(
    name: string,
    to: { readonly peer: Address; readonly token: Address },
  ): Promise<ChannelId | undefined> {
    const { backup, spending } = this.#init.node;
    const channelId = backup.losses === 0 ? undefined : await spending.paidOn(Buffer.from(name, "hex"));
    if (channelId === undefined) return undefined;
    const { peer, token } = await this.#init.node.history.channelFacts(channelId);
    if (peer !== to.peer || token !== to.token) throw conflict(name);
    return channelId;
  }

  async #funded(peer: Address, token: Address): Promise<ChannelInfo[]> {
    const found: ChannelInfo[] = [];
    for await (const channel of this.#init.node.channels({ peer })) {
      const { phase } = channel;
      if (channel.token === token && (phase === "open" || phase === "closing")) found.push(channel);
    }
    return found;
  }

  /** Waits for the peer as long as callers are let wait, and says then whether money left. */
  async #patiently<Made>(
    channelOf: () => ChannelId | undefined,
    name: string,
    peer: Address,
    make: (signal: AbortSignal) => Promise<Made>,
  ): Promise<Made> {
    const patience = new AbortController();
    const late = Promise.withResolvers<never>();
    let lastWord: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => patience.abort(away(peer, this.#init.patienceMs)), this.#init.patienceMs);
    patience.signal.addEventListener("abort", () => {
      // What was signed is not given up by an abort; whoever does not answer it has signed.
      const fields = { channelId: channelOf() ?? "", paymentId: `0x${name}` };
      const pending = new ApiError({ code: "payment_pending", fields });
      lastWord = setTimeout(() => late.reject(pending), LAST_WORD_MS);
    });
    this.#waiting.add(patience);
    try {
      return await Promise.race([make(patience.signal), late.promise]);
    } finally {
      this.#waiting.delete(patience);
      clearTimeout(timer);
      clearTimeout(lastWord);
    }
  }
}

/** 12 bytes: enough to tell a caller's own payments apart. */
function digestOf({ to, amount, reference, label }: PayOrder): string {
  const payee = "channelId" in to ? to.channelId : `${to.peer}/${to.token}`;
  const text = JSON.stringify([
    payee,
    `${amount}`,
    reference && Buffer.from(reference).toString("hex"),
    label,
  ]);
  return hash("sha256", text, "buffer").toString("base64url", 0, 12);
}

function conflict(name: string): ApiError {
  return new ApiError({
    code: "idempotency_conflict",
    fields: { reason: `it stands for another payment, 0x${name}` },
  });
}

function away(peer: Address, patienceMs: number): ApiError {
  return new ApiError({
    code: "peer_away",
    fields: { peer, waitedSeconds: BigInt(Math.ceil(patienceMs / 1000)) },
  });
}
