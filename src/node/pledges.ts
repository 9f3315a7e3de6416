import {
  type ChannelId,
  channelIdFromBytes,
  channelIdToBytes,
  otherSide,
  putUint128,
  readUint128,
  viewOf,
} from "../protocol/index.ts";
import { channelIdOfKey, pledgeKey, pledgeRange } from "../store/keys.ts";
import type { Op } from "../store/store.ts";
import type { ChannelMailbox } from "./channel/mailbox.ts";
import type { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import type { Depositor } from "./depositor.ts";

/** A deposit we promised to make once the opener has made its own. Amounts in the token's base unit. */
export interface Pledge {
  readonly ours: bigint;
  /** What the opener promised: less than that on chain moves nothing of ours. */
  readonly theirs: bigint;
}

/** The record that keeps a pledge over restarts: `ours(16) ‖ theirs(16)`. */
export function pledgeOp(id: ChannelId, { ours, theirs }: Pledge): Op {
  const value = new Uint8Array(32);
  const view = viewOf(value);
  putUint128(view, 0, ours);
  putUint128(view, 16, theirs);
  return { type: "put", key: pledgeKey(channelIdToBytes(id)), value };
}

/** Keeps what this node promised to deposit: after the opener's deposit is confirmed, once, over restarts. */
export class Pledges {
  readonly #context: NodeContext;
  readonly #depositor: Depositor;
  readonly #kept = new Map<ChannelId, { readonly pledge: Pledge; readonly dropped: AbortController }>();

  constructor(context: NodeContext, depositor: Depositor) {
    this.#context = context;
    this.#depositor = depositor;
  }

  /** Takes up what an earlier process promised. */
  async resume(channels: Channels): Promise<void> {
    for await (const [key, value] of this.#context.store.range(pledgeRange())) {
      const id = channelIdFromBytes(channelIdOfKey(key));
      const view = viewOf(value);
      const pledge = { ours: readUint128(view, 0), theirs: readUint128(view, 16) };
      if (channels.has(id)) this.keep(await channels.load(id), pledge);
      else await this.#context.committer.commit([{ type: "del", key }], { sync: false });
    }
  }

  /** How many are waiting for the opener's deposit, or being made. */
  get size(): number {
    return this.#kept.size;
  }

  get(id: ChannelId): Pledge | undefined {
    return this.#kept.get(id)?.pledge;
  }

  /** Deposits when it is due. Before the opener's money is there it would cost us gas for nothing. */
  keep(mailbox: ChannelMailbox, pledge: Pledge): void {
    const { context, channelId } = mailbox;
    const dropped = new AbortController();
    this.#kept.set(channelId, { pledge, dropped });
    this.#keep(mailbox, pledge, AbortSignal.any([context.stopping, dropped.signal]))
      .catch((error: unknown) => {
        if (context.stopping.aborted || dropped.signal.aborted) return;
        const message = `the promised deposit of ${pledge.ours} failed: ${String(error)}`;
        context.emit("warning", { code: "deposit_failed", message, channelId });
      })
      .finally(() => {
        if (this.#kept.get(channelId)?.dropped === dropped) this.#kept.delete(channelId);
      });
  }

  /** Gives a promise up together with its channel. Returns what removes its record, for the same batch. */
  drop(id: ChannelId): Op[] {
    const kept = this.#kept.get(id);
    if (kept === undefined) return [];
    this.#kept.delete(id);
    kept.dropped.abort(new DOMException("the channel was forgotten", "AbortError"));
    return [{ type: "del", key: pledgeKey(channelIdToBytes(id)) }];
  }

  async #keep(mailbox: ChannelMailbox, { ours, theirs }: Pledge, signal: AbortSignal): Promise<void> {
    const { context, channelId } = mailbox;
    const { terms, side } = await mailbox.until((state) => {
      const theirDeposit = state.terms.chain.deposits[otherSide(state.side)];
      const paid = theirDeposit > 0n && theirDeposit >= theirs;
      return paid || state.terms.phase === "closing" || state.terms.phase === "settled";
    }, signal);
    const { newest } = await context.chain.read(channelId, terms.channel, signal);
    // An earlier process may have made the deposit and ended before it could forget the pledge.
    if (newest.status === "open" && newest.deposits[side] === 0n) {
      await this.#depositor.deposit(mailbox, ours, { signal });
    }
    const key = pledgeKey(channelIdToBytes(channelId));
    await context.committer.commit([{ type: "del", key }], { sync: false });
  }
}
