import { createHash, randomBytes } from "node:crypto";
import type { PeerHost } from "../../p2p/peerHost.ts";
import { type Address, type Hex, PROOF_TOTAL_LIMIT, toHex } from "../../protocol/index.ts";
import { decodeRequest, encodeRequest, type PaymentRequestTerms } from "../../wire/request.ts";
import { descriptionProblem, MAX_REQUEST_ADDRESSES, requestAddressBytes } from "../../wire/requestFields.ts";
import type { NodeContext } from "../context.ts";
import { NodeError } from "../error.ts";
import { MAX_LABEL_LENGTH } from "../history/labels.ts";
import type { Spender } from "../limits/spender.ts";
import { type MadeRequest, type RequestInfo, requestInfoOf } from "./requestInfo.ts";
import type { PaidRequest, PayRequestOptions, RequestPayer } from "./requestPayer.ts";
import {
  idKeyOf,
  NAMESPACE,
  paymentIdOf,
  paymentOfStored,
  type StoredKey,
  type StoredPayment,
  type StoredRequest,
  splitTimeKey,
  termsOfStored,
} from "./requestRecord.ts";
import { Turns } from "./turns.ts";

/** A year: what is not paid by then is not going to be. */
const MAX_LIFETIME_SECONDS = 31_536_000;
const DEFAULT_LIFETIME_SECONDS = 3_600;
/** Requests read for one page, whatever of them it shows. */
export const MAX_READ = 2_000;
/** Requests asked for at once by whoever reads all. */
const PAGE = 100;
/** Requests being made at once: each waits for one synced write. */
const MAX_MAKING = 10_000;

export interface MakeRequestOptions {
  /** The zero address: the chain's native coin. */
  readonly token: Address;
  /** The token's base unit, above zero and below 2^128. Absent: the payer chooses. */
  readonly amount?: bigint | undefined;
  /** Printable text in one line, at most 768 bytes; the payer reads it. */
  readonly description?: string;
  /** Seconds from now, a year at most. Default an hour. */
  readonly expiresIn?: number;
  /** What this node's people call it; not in the string. */
  readonly label?: string | undefined;
  /** The same key asks for the same request again; with other content it is refused. */
  readonly idempotencyKey?: string | undefined;
  /** Whose requests are bounded together: who makes many access tokens of one is one. Absent: nobody's. */
  readonly maker?: string | undefined;
}

export interface ListRequestsOptions {
  readonly state?: MadeRequest["state"] | undefined;
  /** A `cursor` of this list: goes on behind it. */
  readonly after?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface ListedRequest {
  readonly cursor: string;
  readonly request: MadeRequest;
}

export interface RequestPage {
  readonly items: readonly ListedRequest[];
  readonly next?: string | undefined;
}

export interface RequestsInit {
  readonly context: NodeContext;
  readonly payer: RequestPayer;
  readonly host: PeerHost;
  /** Our clock, Unix seconds. */
  readonly now: () => number;
}

/** Payment requests: makes this node's, tells what became of them, reads and pays those of others. */
export class Requests {
  readonly #init: RequestsInit;
  readonly #turns = new Turns(MAX_MAKING);

  constructor(init: RequestsInit) {
    this.#init = init;
  }

  /**
   * Makes a request and remembers it durably; resolves with it and its string. Rejects with `option_invalid`,
   * `request_conflict`, `requests_full`.
   */
  async make(options: MakeRequestOptions): Promise<MadeRequest> {
    checkOptions(options);
    const { idempotencyKey } = options;
    if (idempotencyKey === undefined) return this.#make(options, undefined);
    const key = createHash("sha256").update(idempotencyKey).digest("hex");
    return this.#turns.take(key, this.#init.context.stopping, async () => {
      const known = await this.#init.context.records.get<StoredKey>(NAMESPACE.byKey, key);
      const made = known && (await this.#find(known.idKey));
      if (known === undefined || made === undefined) return this.#make(options, key);
      if (known.content !== contentOf(options)) throw new NodeError({ code: "request_conflict", fields: {} });
      return made;
    });
  }

  /** A request of ours. Rejects with `request_unknown`. */
  async get(paymentHash: string): Promise<MadeRequest> {
    if (!/^0x[0-9a-fA-F]{64}$/.test(paymentHash)) throw unknown(paymentHash);
    const hash = paymentHash.toLowerCase() as Hex;
    const found = await this.#find(idKeyOf(hash));
    if (found === undefined || found.paymentHash !== hash) throw unknown(paymentHash);
    return found;
  }

  /**
   * Cancels a request of ours, for ever: what pays it from this call on is given back. Resolves once durable; again, it
   * changes nothing. Rejects with `request_unknown`, and with `request_paid` if its payment came before.
   */
  async cancel(paymentHash: string): Promise<MadeRequest> {
    const { context } = this.#init;
    const { paymentHash: hash } = await this.get(paymentHash);
    const cancelled = await context.requests.cancel(idKeyOf(hash), (ops) =>
      context.committer.commit(ops, { sync: true }),
    );
    if (cancelled === "unknown") throw unknown(hash);
    if (cancelled === "paid") throw new NodeError({ code: "request_paid", fields: { paymentHash: hash } });
    return this.get(hash);
  }

  /** Requests of ours, newest first, read page by page. `cursor` names the place behind it. */
  async *list(options: ListRequestsOptions = {}): AsyncGenerator<ListedRequest> {
    for (let { after } = options; ; ) {
      const { items, next } = await this.page({ ...options, after, limit: PAGE });
      yield* items;
      if (next === undefined) return;
      after = next;
    }
  }

  /**
   * At most `limit` requests of ours, newest first, and where the rest is: `next` is absent at the end. So much is read
   * and no more, so a page of a state that few are in may be short, or empty. Rejects with `cursor_invalid`.
   */
  async page({
    state,
    after,
    signal,
    limit,
  }: ListRequestsOptions & { readonly limit: number }): Promise<RequestPage> {
    if (after !== undefined && !/^[0-9a-f]{12}0x[0-9a-f]{32}$/.test(after)) {
      throw new NodeError({ code: "cursor_invalid", fields: { cursor: after.slice(0, 64) } });
    }
    const items: ListedRequest[] = [];
    let read = 0;
    let last: string | undefined;
    const { records } = this.#init.context;
    for await (const { key } of records.list(NAMESPACE.byTime, { after, reverse: true, signal })) {
      if (items.length === limit || read === MAX_READ) return { items, next: last };
      const request = await this.#find(splitTimeKey(key).idKey); // forgotten meanwhile: none
      if (request !== undefined && (state ?? request.state) === request.state) {
        items.push({ cursor: key, request });
      }
      read++;
      last = key;
    }
    return { items };
  }

  /** What a request string or URI says. Throws a coded error if it is none or not signed by its recipient. */
  decode(text: string): RequestInfo {
    const { terms, request } = this.#decode(text);
    return requestInfoOf(request, terms, this.#reader());
  }

  /**
   * Pays a request over a channel with its recipient, once for ever: the same request again returns the first
   * payment. Rejects with a coded error if nothing was paid: what is wrong with the request, `request_no_channel`,
   * `peer_offline`, or as `node.pay`.
   */
  async pay(
    spender: Spender | undefined,
    text: string,
    options: PayRequestOptions = {},
  ): Promise<PaidRequest> {
    return this.#init.payer.pay(spender, this.#decode(text).terms, options);
  }

  /** Tells the application that requests of ours were paid. */
  async announce(idKeys: readonly string[]): Promise<void> {
    for (const idKey of idKeys) this.#init.context.emit("request", await this.#read(idKey));
  }

  #decode(text: string): { readonly terms: PaymentRequestTerms; readonly request: string } {
    const decoded = decodeRequest(text, this.#init.context.ports.crypto);
    if (!decoded.ok) throw new NodeError(decoded);
    return decoded;
  }

  async #make(options: MakeRequestOptions, key: string | undefined): Promise<MadeRequest> {
    const { context } = this.#init;
    context.requests.assertRoom(options.maker);
    const stored = this.#draw(options);
    const name = key === undefined ? undefined : { key, content: contentOf(options) };
    await context.requests.add(stored, name, (ops) => context.committer.commit(ops, { sync: true }));
    return this.#view(stored, undefined);
  }

  /** A request with secrets of its own, signed. */
  #draw({ token, amount, description = "", expiresIn, label, maker }: MakeRequestOptions): StoredRequest {
    const { ports, requests } = this.#init.context;
    const { crypto } = ports;
    const preimage = randomBytes(32);
    const paymentHash = crypto.sha256(preimage);
    const paymentSecret = requests.secretOf(paymentIdOf(paymentHash));
    const createdAt = Math.floor(this.#init.now());
    const terms = {
      ...this.#ours(),
      token: token.toLowerCase() as Address,
      amount,
      paymentHash,
      paymentSecret,
      createdAt,
      expiresAt: createdAt + (expiresIn ?? DEFAULT_LIFETIME_SECONDS),
      description,
    };
    const { request, addresses } = this.#sign(terms);
    return {
      request,
      preimage: toHex(preimage),
      secret: toHex(paymentSecret),
      paymentHash: toHex(paymentHash),
      token: terms.token,
      ...(amount !== undefined && { amount: amount.toString() }),
      description,
      createdAt,
      expiresAt: terms.expiresAt,
      addresses,
      ...(label !== undefined && { label }),
      ...(maker !== undefined && { maker }),
    };
  }

  /** With as many of our addresses as the string has room for: the payer usually knows us already. */
  #sign(terms: Omit<PaymentRequestTerms, "addresses">): { request: string; addresses: readonly string[] } {
    const { context, host } = this.#init;
    const { signerKey, crypto } = context.ports;
    for (let addresses = usefulAddresses(host.addresses()); ; addresses = addresses.slice(0, -1)) {
      try {
        return { request: encodeRequest({ ...terms, addresses }, signerKey, crypto), addresses };
      } catch (error) {
        if (addresses.length === 0) throw error;
      }
    }
  }

  async #read(idKey: string): Promise<MadeRequest> {
    const found = await this.#find(idKey);
    if (found === undefined) throw new Error(`request ${idKey} is gone`);
    return found;
  }

  async #find(idKey: string): Promise<MadeRequest | undefined> {
    const { records } = this.#init.context;
    const stored = await records.get<StoredRequest>(NAMESPACE.request, idKey);
    if (stored === undefined) return undefined;
    return this.#view(stored, await records.get<StoredPayment>(NAMESPACE.paid, idKey));
  }

  #view(stored: StoredRequest, payment: StoredPayment | undefined): MadeRequest {
    const info = requestInfoOf(stored.request, termsOfStored(stored, this.#ours()), this.#reader());
    const paid = payment && paymentOfStored(payment);
    return { ...info, state: stateOf(info, stored, paid), label: stored.label, paid };
  }

  #ours() {
    const { chainId, escrow, signer } = this.#init.context;
    return { chainId, escrow: escrow.address, recipient: signer };
  }

  #reader() {
    const { chainId, escrow } = this.#init.context;
    return { chainId, escrow: escrow.address, now: Math.floor(this.#init.now()) };
  }
}

function stateOf(
  { expired }: RequestInfo,
  { cancelledAt }: StoredRequest,
  paid: MadeRequest["paid"],
): MadeRequest["state"] {
  if (paid !== undefined) return "paid";
  if (cancelledAt !== undefined) return "cancelled";
  return expired ? "expired" : "open";
}

function contentOf({ token, amount, description, expiresIn, label }: MakeRequestOptions): string {
  const content = [token.toLowerCase(), amount?.toString(), description ?? "", expiresIn, label];
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

function checkOptions({ token, amount, description = "", expiresIn, label }: MakeRequestOptions): void {
  if (!/^0x[0-9a-fA-F]{40}$/.test(token)) throw invalid("token", "an address");
  if (amount !== undefined && (amount <= 0n || amount >= PROOF_TOTAL_LIMIT)) {
    throw invalid("amount", "above zero and below 2^128");
  }
  const problem = descriptionProblem(description);
  if (problem !== undefined) throw invalid("description", problem);
  if (
    expiresIn !== undefined &&
    !(Number.isInteger(expiresIn) && expiresIn > 0 && expiresIn <= MAX_LIFETIME_SECONDS)
  ) {
    throw invalid("expiresIn", `whole seconds, at most ${MAX_LIFETIME_SECONDS}`);
  }
  if (label !== undefined && (label === "" || label.length > MAX_LABEL_LENGTH)) {
    throw invalid("label", `1 to ${MAX_LABEL_LENGTH} characters`);
  }
}

/** Those that lead here from elsewhere first. */
function usefulAddresses(addresses: readonly string[]): readonly string[] {
  const holdable = addresses.filter((address) => requestAddressBytes(address) !== undefined);
  const isLocal = (address: string) => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address);
  const ordered = [...holdable.filter((a) => !isLocal(a)), ...holdable.filter(isLocal)];
  return ordered.slice(0, MAX_REQUEST_ADDRESSES);
}

function unknown(paymentHash: string): NodeError {
  return new NodeError({ code: "request_unknown", fields: { paymentHash } });
}

function invalid(option: string, reason: string): NodeError {
  return new NodeError({ code: "option_invalid", fields: { option, reason } });
}
