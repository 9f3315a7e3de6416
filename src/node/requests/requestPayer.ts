import { orAborted } from "../../chain/wait.ts";
import type { PeerHost } from "../../p2p/peerHost.ts";
import {
  type Address,
  type ChannelId,
  cannotSend,
  channelIdFromBytes,
  channelIdToBytes,
  PROOF_TOTAL_LIMIT,
  toHex,
} from "../../protocol/index.ts";
import { channelIdOfPaymentKey, paymentKey, paymentRange } from "../../store/keys.ts";
import type { PaymentRequestTerms } from "../../wire/request.ts";
import type { ChannelMailbox } from "../channel/mailbox.ts";
import { decodeIndexedPayment, type IndexedPayment } from "../channel/paymentIds.ts";
import type { Channels } from "../channels.ts";
import type { NodeContext } from "../context.ts";
import { NodeError } from "../error.ts";
import type { SpendingGate } from "../limits/gate.ts";
import { GATE_REFUSALS } from "../limits/refusals.ts";
import type { Spender } from "../limits/spender.ts";
import type { Receipt } from "../payment.ts";
import { NAMESPACE, paymentIdOf } from "./requestRecord.ts";
import { Turns } from "./turns.ts";

/** Requests being paid at once: each holds one promise until its payee answers. */
const MAX_PAYING = 10_000;
/** How long one address of a recipient may take to answer. */
const DIAL_MS = 10_000;
/** How long a connected recipient may take to compare notes on a channel. */
const ESTABLISH_MS = 30_000;

/** Nothing was signed. What is held for approval is found again by the channel it was held on. */
const REFUSED: ReadonlySet<string> = new Set([...GATE_REFUSALS, "payment_held"]);

export interface PayRequestOptions {
  /** The token's base unit: needed when the request leaves it open, and else what it asks for. */
  readonly amount?: bigint | undefined;
  /** What this node's people call the payment. */
  readonly label?: string | undefined;
  /** Ends the waiting for the recipient. What is signed is paid all the same: ask again to learn of it. */
  readonly signal?: AbortSignal | undefined;
  /** Told on which channel: before anything is signed on it, or that an earlier call has signed. */
  readonly onChannel?: ((channelId: ChannelId, isUnsigned: boolean) => void) | undefined;
}

/** What paying a request resolves with: the payee holds the payment durably. */
export interface PaidRequest extends Receipt {
  /** The recipient's signer. */
  readonly peer: Address;
  readonly token: Address;
  readonly amount: bigint;
}

export interface RequestPayerInit {
  readonly context: NodeContext;
  readonly channels: Channels;
  readonly host: PeerHost;
  /** What every payment passes. */
  readonly gate: Pick<SpendingGate, "assertGranted" | "assertMayPay" | "heldOn" | "pay">;
  /** The database may have lost payments of ours. */
  readonly lost: boolean;
  /** Our clock, Unix seconds. */
  readonly now: () => number;
}

/** On which channel a request is paid, once and for ever: written before anything is signed. */
interface Intent {
  readonly channelId: ChannelId;
  readonly amount: string;
}

interface Job {
  readonly spender: Spender | undefined;
  readonly terms: PaymentRequestTerms;
  readonly amount: bigint;
  readonly id: Uint8Array;
  readonly label: string | undefined;
  readonly signal: AbortSignal;
  readonly onChannel: PayRequestOptions["onChannel"];
}

/** Pays others' requests, each once for ever, over a channel with the recipient itself. */
export class RequestPayer {
  readonly #init: RequestPayerInit;
  readonly #turns = new Turns(MAX_PAYING);

  constructor(init: RequestPayerInit) {
    this.#init = init;
  }

  async pay(
    spender: Spender | undefined,
    terms: PaymentRequestTerms,
    options: PayRequestOptions,
  ): Promise<PaidRequest> {
    const { chainId, escrow, signer, stopping } = this.#init.context;
    if (terms.chainId !== chainId || terms.escrow !== escrow.address) {
      const fields = { chainId: terms.chainId, escrow: terms.escrow };
      throw new NodeError({ code: "request_other_network", fields });
    }
    if (terms.recipient === signer) throw new NodeError({ code: "request_own", fields: {} });
    const { label, onChannel } = options;
    const signal = options.signal === undefined ? stopping : AbortSignal.any([stopping, options.signal]);
    const amount = amountOf(terms, options.amount);
    const job = { spender, terms, amount, id: paymentIdOf(terms.paymentHash), label, signal, onChannel };
    // Two payments of one request at the same time could choose two channels.
    return this.#turns.take(toHex(terms.paymentHash), signal, () => this.#payOnce(job));
  }

  async #payOnce(job: Job): Promise<PaidRequest> {
    const { recipient: peer, token } = job.terms;
    const payment = { peer, token, amount: job.amount };
    // What was paid may be another's.
    await this.#init.gate.assertGranted(job.spender, payment);
    const paid = await this.#paidBefore(job);
    if (paid !== undefined) return paid;
    this.#assertUnexpired(job.terms);
    await this.#init.gate.assertMayPay(job.spender, payment);
    const mailbox = await this.#choose(job);
    // A database that lost data got our own payments back with the connection.
    const returned = await this.#paidBefore(job);
    if (returned !== undefined) return returned;
    const intent: Intent = { channelId: mailbox.channelId, amount: job.amount.toString() };
    const key = toHex(job.terms.paymentHash);
    const { records } = this.#init.context;
    await records.put(NAMESPACE.intent, key, intent, { sync: true });
    try {
      return await this.#spend(job, mailbox);
    } catch (error) {
      // Else whoever may spend nothing could fix the amount of a request that leaves it open.
      const { code } = error as { code?: string };
      if (code !== undefined && REFUSED.has(code))
        await records.delete(NAMESPACE.intent, key, { sync: true });
      throw error;
    }
  }

  async #paidBefore(job: Job): Promise<PaidRequest | undefined> {
    const earlier = await this.#intent(job);
    if (earlier === undefined) return undefined;
    if (BigInt(earlier.amount) !== job.amount) {
      throw new NodeError({ code: "payment_conflict", fields: { paymentId: toHex(job.id) } });
    }
    return this.#goOn(job, await this.#init.channels.load(earlier.channelId));
  }

  /** Where the request was paid or was about to be: by our own record, or by the index of ids after a loss of it. */
  async #intent({ terms, id }: Job): Promise<Intent | undefined> {
    const { records, store } = this.#init.context;
    const intent = await records.get<Intent>(NAMESPACE.intent, toHex(terms.paymentHash));
    if (intent !== undefined) return intent;
    for await (const [key, value] of store.range({ ...paymentRange(id), limit: 1 })) {
      const channelId = channelIdFromBytes(channelIdOfPaymentKey(key));
      return { channelId, amount: decodeIndexedPayment(value).amount.toString() };
    }
    return undefined;
  }

  /**
   * Stays with the channel that was chosen before: what may have been signed there must not be paid a second time
   * elsewhere. Undefined if nothing was and nothing can be any more.
   */
  async #goOn(job: Job, mailbox: ChannelMailbox): Promise<PaidRequest | undefined> {
    const place = await this.#placeOn(job, mailbox);
    if (place !== undefined) return this.#outcome(job, mailbox, place);
    const { state } = mailbox;
    const { phase, chain } = state.terms;
    if (phase === "open") {
      this.#assertUnexpired(job.terms);
      await this.#connect(job, [mailbox]);
      return this.#spend(job, mailbox);
    }
    // A power cut may have taken what we signed last. The peer's word or the final settlement tells.
    const whole = mailbox.session !== undefined || phase === "settled";
    const recorded = chain.close?.recorded[state.side] ?? 0n;
    if (!whole || recorded > state.sent.nonce) throw new NodeError(cannotSend(state)!);
    return undefined;
  }

  async #placeOn({ id }: Job, { channelId }: ChannelMailbox): Promise<IndexedPayment | undefined> {
    const bytes = await this.#init.context.store.get(paymentKey(id, channelIdToBytes(channelId)));
    return bytes === undefined ? undefined : decodeIndexedPayment(bytes);
  }

  /** Signed already: only the answer is awaited. Undefined if the channel settled without it. */
  async #outcome(job: Job, mailbox: ChannelMailbox, place: IndexedPayment): Promise<PaidRequest | undefined> {
    const { nonce, index } = place;
    job.onChannel?.(mailbox.channelId, false);
    try {
      await orAborted(mailbox.payer.acknowledged(nonce), job.signal);
    } catch (error) {
      if (error instanceof NodeError && error.code === "payment_unpaid") return undefined;
      throw error;
    }
    return paidRequest(job, { channelId: mailbox.channelId, nonce, index, paymentId: toHex(job.id) });
  }

  async #spend(job: Job, { channelId }: ChannelMailbox): Promise<PaidRequest> {
    const { amount, id, terms, label, signal } = job;
    const order = { channelId, amount, id, reference: terms.paymentSecret, label, signal };
    job.onChannel?.(channelId, true);
    return paidRequest(job, await this.#init.gate.pay(job.spender, order));
  }

  /**
   * The connected channel with the recipient, in the request's token, that can pay the most; while it is open, the one
   * on which the payment was held for approval.
   */
  async #choose(job: Job): Promise<ChannelMailbox> {
    const { recipient, token } = job.terms;
    const heldOn = this.#init.gate.heldOn(job.spender, job.id);
    let open: ChannelMailbox[] = [];
    for (const id of this.#init.channels.ofPeer(recipient)) {
      const mailbox = await this.#init.channels.load(id);
      const { state } = mailbox;
      if (state.terms.channel.token === token && cannotSend(state) === undefined) open.push(mailbox);
    }
    if (open.length === 0) throw new NodeError({ code: "request_no_channel", fields: { recipient, token } });
    const held = open.find(({ channelId }) => channelId === heldOn);
    if (held !== undefined) open = [held];
    await this.#connect(job, open);
    const connected = open.filter(({ session }) => session !== undefined);
    const best = connected.reduce((a, b) => (b.payer.available > a.payer.available ? b : a));
    const { available } = best.payer;
    if (available < job.amount) {
      const fields = { available, needed: job.amount };
      throw new NodeError({ ok: false, code: "insufficient_capacity", fields });
    }
    return best;
  }

  /**
   * Resolves once one of `mailboxes`, all with the recipient, can pay; after a loss of data, all of them: each may
   * bring back that it paid this request. Rejects with `peer_offline`.
   */
  async #connect({ terms, signal }: Job, mailboxes: readonly ChannelMailbox[]): Promise<void> {
    const { host, lost } = this.#init;
    const { recipient } = terms;
    const enough = (connected: boolean[]) => (lost ? connected.every(Boolean) : connected.some(Boolean));
    if (enough(mailboxes.map(({ session }) => session !== undefined))) return;
    if (host.session(recipient) === undefined) await this.#dial(terms, signal);
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), ESTABLISH_MS);
    try {
      const either = AbortSignal.any([signal, patience.signal]);
      const connections = mailboxes.map((mailbox) => mailbox.connected(either));
      await (lost ? Promise.all(connections) : Promise.race(connections));
    } catch (error) {
      signal.throwIfAborted();
      if (!patience.signal.aborted) throw error;
      throw new NodeError({ code: "peer_offline", fields: { peer: recipient } });
    } finally {
      clearTimeout(timer);
      patience.abort();
    }
  }

  /** Tries the request's addresses in turn: they are its recipient's, and we have a channel with it. */
  async #dial({ recipient, addresses }: PaymentRequestTerms, signal: AbortSignal): Promise<void> {
    const { host, context } = this.#init;
    for (const address of addresses) {
      signal.throwIfAborted();
      try {
        const within = AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS)]);
        const session = await host.connect(address, { signal: within });
        if (session.remote.signer === recipient) return;
      } catch (error) {
        context.log.debug({ error, address }, "a request's address does not answer");
      }
    }
    signal.throwIfAborted();
    throw new NodeError({ code: "peer_offline", fields: { peer: recipient } });
  }

  #assertUnexpired({ expiresAt }: PaymentRequestTerms): void {
    if (this.#init.now() < expiresAt) return;
    throw new NodeError({ code: "request_expired", fields: { expiresAt: BigInt(expiresAt) } });
  }
}

function paidRequest({ terms, amount }: Job, receipt: Receipt): PaidRequest {
  const { channelId, nonce, index, paymentId } = receipt;
  return { channelId, nonce, index, paymentId, peer: terms.recipient, token: terms.token, amount };
}

function amountOf({ amount: asked }: PaymentRequestTerms, offered: bigint | undefined): bigint {
  const amount = asked ?? offered;
  if (amount === undefined) throw new NodeError({ code: "request_amount_needed", fields: {} });
  if (offered !== undefined && offered !== amount) {
    throw new NodeError({ code: "request_amount_differs", fields: { asked: amount, offered } });
  }
  if (amount <= 0n || amount >= PROOF_TOTAL_LIMIT) {
    throw new NodeError({ ok: false, code: "amount_invalid", fields: { amount } });
  }
  return amount;
}
