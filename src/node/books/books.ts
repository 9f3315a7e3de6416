import { Erc20 } from "../../chain/erc20.ts";
import { type Address, type ChannelState, channelIdFromBytes, ZERO_ADDRESS } from "../../protocol/index.ts";
import { decodeChannelState } from "../../store/channelRecord.ts";
import { channelIdOfKey, channelRange } from "../../store/keys.ts";
import type { NodeContext } from "../context.ts";
import { type Account, payoutTransfer, TokenBooks } from "./account.ts";
import { csvStatement } from "./csvStatement.ts";
import type { BookJournal } from "./journal.ts";
import { jsonStatement } from "./jsonStatement.ts";
import { balanceOf, chainTotals, countedNonces, type Movement, type Paid } from "./movement.ts";
import { StoredUpdates } from "./payments.ts";
import { statementRecords } from "./statement.ts";
import type { StatementFilter } from "./statementRecord.ts";

/** All there was, for who asks without a period. */
export const ALL_TIME = { from: 0, to: Number.MAX_SAFE_INTEGER } as const;

/** One token's accounts, and what channels and wallet really hold. Amounts in the token's base unit. */
export interface TrialBalance {
  readonly token: Address;
  /** Debits positive; they sum to zero. */
  readonly accounts: readonly { readonly account: Account; readonly balance: bigint }[];
  /** What the books say this node owns. */
  readonly books: bigint;
  /** What the ledger of the channels says we would be paid if all closed now. */
  readonly channels: bigint;
  /** What the account holds at the newest block; undefined where the token's contract does not tell. */
  readonly wallet: bigint | undefined;
  /** What the escrow keeps for the account at the newest block because a payout was refused. */
  readonly escrow: bigint;
  /** The accounts sum to zero, and the books' channels are the ledger's. */
  readonly balanced: boolean;
}

/** The node's double-entry books: derived from stored updates and the journal of what the chain moved. */
export class Books {
  readonly #context: NodeContext;

  constructor(context: NodeContext) {
    this.#context = context;
  }

  get journal(): BookJournal {
    return this.#context.bookJournal;
  }

  /** A statement with its evidence as JSON, or as CSV without; in pieces, as it is read from the database. */
  statement(format: "json" | "csv", filter: StatementFilter, signal?: AbortSignal): AsyncGenerator<string> {
    const { store, ports, history, account, signer, chainId, escrow, stopping } = this.#context;
    const records = statementRecords({
      books: this,
      store,
      ports,
      labels: (payments) => history.labels.of(payments),
      node: { account, signer, chainId: `${chainId}`, escrow: escrow.address, madeAt: Date.now() },
      filter,
      signal: signal === undefined ? stopping : AbortSignal.any([signal, stopping]),
    });
    return format === "json" ? jsonStatement(records, ports) : csvStatement(records);
  }

  /** Every channel as it is on disk. */
  async *channels(signal?: AbortSignal): AsyncGenerator<ChannelState> {
    const { store, committer } = this.#context;
    await committer.flush();
    for await (const [key, value] of store.range({ ...channelRange(), signal })) {
      yield decodeChannelState(channelIdFromBytes(channelIdOfKey(key)), value);
    }
  }

  /** What was paid in a channel so far. */
  async paid(state: ChannelState): Promise<Paid> {
    const counted = countedNonces(state);
    const total = async (direction: "sent" | "received") =>
      counted[direction] === state[direction].nonce
        ? state[direction].transferred
        : (await new StoredUpdates(this.#context.store, state, direction).proofAt(counted[direction]))
            .transferred;
    return { sent: await total("sent"), received: await total("received") };
  }

  /** The accounts of every token this node has or had channels in or sent, and of the native coin. */
  async trialBalance(signal?: AbortSignal): Promise<TrialBalance[]> {
    const books = new Map<Address, TokenBooks>([[ZERO_ADDRESS, new TokenBooks()]]);
    const held = new Map<Address, bigint>();
    const moved = await this.journal.movementsByChannel(ALL_TIME, signal);
    for await (const state of this.channels(signal)) {
      const { token } = state.terms.channel;
      const of = entry(books, token, () => new TokenBooks());
      const paid = await this.paid(state);
      const posted = post(of, moved.get(state.id) ?? [], paid);
      held.set(token, (held.get(token) ?? 0n) + heldIn(state, paid, posted));
    }
    for await (const { amount } of this.journal.gas(ALL_TIME, signal)) {
      books.get(ZERO_ADDRESS)!.transfer("gas", amount);
    }
    for await (const { token, amount } of this.journal.drawings(ALL_TIME, signal)) {
      entry(books, token, () => new TokenBooks()).transfer("drawing", amount);
    }
    for await (const moved of this.journal.payouts.list(ALL_TIME, signal)) {
      const of = entry(books, moved.token, () => new TokenBooks());
      of.transfer(payoutTransfer(moved, this.#context.account), moved.amount);
    }
    const balances: TrialBalance[] = [];
    for (const [token, of] of books) {
      balances.push(await this.#balance(token, of, held.get(token) ?? 0n, signal));
    }
    return balances;
  }

  async #balance(
    token: Address,
    of: TokenBooks,
    channels: bigint,
    signal: AbortSignal | undefined,
  ): Promise<TrialBalance> {
    const { escrow: contract, account, stopping } = this.#context;
    const escrow = await contract.payoutOf(token, account, "latest", { signal: signal ?? stopping });
    // The journal knows what is confirmed, and nothing from before it was kept.
    of.move("assets:escrow", "assets:wallet", escrow - of.balance("assets:escrow"));
    const wallet = await this.#wallet(token, signal);
    // What came and went by other ways is known only from what the chain shows in the end.
    const known = wallet ?? of.balance("assets:wallet");
    of.move("assets:wallet", "equity:external", known - of.balance("assets:wallet"));
    return {
      token,
      accounts: of.balances(),
      books: of.balance("assets:channels") + of.balance("assets:wallet") + of.balance("assets:escrow"),
      channels,
      wallet,
      escrow,
      balanced: of.sum === 0n && of.balance("assets:channels") === channels,
    };
  }

  /** One token that answers nothing, or nonsense, must not take the books of the others down. */
  async #wallet(token: Address, given: AbortSignal | undefined): Promise<bigint | undefined> {
    const { chain, account, stopping, log } = this.#context;
    const signal = given ?? stopping;
    if (token === ZERO_ADDRESS) return chain.eth.balance(account, { signal });
    try {
      return await new Erc20(token, chain.eth).balanceOf(account, { signal });
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn({ error, token }, "a token does not tell what the account holds of it");
      return undefined;
    }
  }
}

/** What the ledger says we have in a channel. `posted`: what the books say. */
function heldIn({ terms, side }: ChannelState, paid: Paid, posted: bigint): bigint {
  const { settlement, ...totals } = chainTotals(terms.chain, side);
  if (settlement !== undefined) return 0n;
  // The escrow has settled and shows zeros; our share is known once the settlement is confirmed.
  const [deposit0, deposit1] = terms.chain.deposits;
  if (terms.phase === "closing" && deposit0 + deposit1 === 0n) return posted;
  return balanceOf(totals, paid);
}

/** One channel's postings: payments, then what the chain moved; the settlement empties it. Returns what is left. */
function post(books: TokenBooks, movements: readonly Movement[], { sent, received }: Paid): bigint {
  books.transfer("sent", sent);
  books.transfer("received", received);
  let balance = received - sent;
  for (const { kind, amount } of movements) {
    if (kind === "settlement") {
      books.settle(balance, amount);
      return 0n;
    }
    books.transfer(kind, amount);
    balance += kind === "deposit" ? amount : -amount;
  }
  return balance;
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
