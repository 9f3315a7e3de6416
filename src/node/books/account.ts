import type { Address } from "../../protocol/index.ts";
import type { MovementKind } from "./movement.ts";

/**
 * Accounts of the double-entry books, kept per token. Debits are positive: assets and expenses grow by debits,
 * income and equity by credits.
 *
 * | account | holds |
 * |---|---|
 * | `assets:channels` | our money in channels |
 * | `assets:wallet` | what the node's account holds outside of channels |
 * | `assets:escrow` | what the escrow keeps for the node's account because a payout was refused |
 * | `income:received`, `expenses:sent` | payments, refunds of either direction included |
 * | `expenses:gas` | gas of the account's own transactions, in the native coin |
 * | `equity:settlement` | what a settlement paid less than the channel's balance (debit) or more (credit) |
 * | `equity:drawings` | what this node sent out of the account to other addresses |
 * | `equity:external` | what came into the account or left it by other ways than this node |
 */
export type Account =
  | "assets:channels"
  | "assets:wallet"
  | "assets:escrow"
  | "income:received"
  | "expenses:sent"
  | "expenses:gas"
  | "equity:settlement"
  | "equity:drawings"
  | "equity:external";

export const ACCOUNTS: readonly Account[] = [
  "assets:channels",
  "assets:wallet",
  "assets:escrow",
  "income:received",
  "expenses:sent",
  "expenses:gas",
  "equity:settlement",
  "equity:drawings",
  "equity:external",
];

/** What moves money between two accounts. */
export type TransferKind =
  | Exclude<MovementKind, "settlement">
  | "sent"
  | "received"
  | "gas"
  | "drawing"
  | PayoutTransfer;

/** A withdrawal or a settlement posts what it pays to the wallet; what was refused goes on to the escrow. */
export type PayoutTransfer = "credited" | "fetched" | "fetchedElsewhere";

/** From credit to debit. */
const TRANSFERS: Readonly<Record<TransferKind, { readonly debit: Account; readonly credit: Account }>> = {
  deposit: { debit: "assets:channels", credit: "assets:wallet" },
  withdrawal: { debit: "assets:wallet", credit: "assets:channels" },
  sent: { debit: "expenses:sent", credit: "assets:channels" },
  received: { debit: "assets:channels", credit: "income:received" },
  gas: { debit: "expenses:gas", credit: "assets:wallet" },
  drawing: { debit: "equity:drawings", credit: "assets:wallet" },
  credited: { debit: "assets:escrow", credit: "assets:wallet" },
  fetched: { debit: "assets:wallet", credit: "assets:escrow" },
  fetchedElsewhere: { debit: "equity:drawings", credit: "assets:escrow" },
};

export function accountsOf(kind: TransferKind): { readonly debit: Account; readonly credit: Account } {
  return TRANSFERS[kind];
}

/** Which accounts a payout moves between; `account` is the node's own. */
export function payoutTransfer(
  moved: { readonly kind: "credited" } | { readonly kind: "fetched"; readonly to: Address },
  account: Address,
): PayoutTransfer {
  if (moved.kind === "credited") return "credited";
  return moved.to === account ? "fetched" : "fetchedElsewhere";
}

/** One token's books: every posting is made twice, so that the accounts always sum to zero. */
export class TokenBooks {
  readonly #balances = new Map<Account, bigint>();

  move(debit: Account, credit: Account, amount: bigint): void {
    this.#balances.set(debit, this.balance(debit) + amount);
    this.#balances.set(credit, this.balance(credit) - amount);
  }

  transfer(kind: TransferKind, amount: bigint): void {
    const { debit, credit } = TRANSFERS[kind];
    this.move(debit, credit, amount);
  }

  /** A settlement empties the channel, whatever it paid. */
  settle(balance: bigint, share: bigint): void {
    this.move("assets:wallet", "assets:channels", share);
    this.move("equity:settlement", "assets:channels", balance - share);
  }

  balance(account: Account): bigint {
    return this.#balances.get(account) ?? 0n;
  }

  /** In the order of {@link ACCOUNTS}. */
  balances(): { readonly account: Account; readonly balance: bigint }[] {
    return ACCOUNTS.map((account) => ({ account, balance: this.balance(account) }));
  }

  get sum(): bigint {
    return ACCOUNTS.reduce((sum, account) => sum + this.balance(account), 0n);
  }
}
