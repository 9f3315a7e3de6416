import type { Address, ChainView, ChannelId, ChannelState, Hex, Side } from "../../protocol/index.ts";

/** What of this node's money the chain moved. */
export type MovementKind = "deposit" | "withdrawal" | "settlement";

/** Our money moved between this node's account and a channel. Amounts in the token's base unit. */
export interface Movement {
  readonly kind: MovementKind;
  /** Unix milliseconds at which this node wrote it down; 0: before it kept books. */
  readonly time: number;
  readonly channelId: ChannelId;
  readonly token: Address;
  /** Negative where a reorganisation took back what had counted. */
  readonly amount: bigint;
  /** The running total of its kind in this channel, as the escrow counts it. */
  readonly total: bigint;
}

/** Gas that the account paid for a transaction of its own, mined and confirmed; wei. */
export interface GasPaid {
  readonly time: number;
  readonly hash: Hex;
  /** The intent's name: channel and step. */
  readonly intent: string;
  readonly gasUsed: bigint;
  readonly amount: bigint;
}

/** Money of the account that went to an address, by a transaction that is confirmed; base units. */
export interface Drawing {
  readonly time: number;
  readonly hash: Hex;
  readonly token: Address;
  readonly to: Address;
  readonly amount: bigint;
}

/**
 * A payout that its receiver or its token refused, so that the escrow keeps it (`credited`), or that was fetched from
 * there, by whom ever; confirmed, base units.
 */
export type PayoutMoved = {
  readonly time: number;
  readonly hash: Hex;
  readonly token: Address;
  readonly amount: bigint;
} & (
  | { readonly kind: "credited"; readonly channelId: ChannelId }
  | { readonly kind: "fetched"; readonly to: Address }
);

/** Running totals of what the chain moved of one side's money. */
export interface ChainTotals {
  readonly deposit: bigint;
  readonly withdrawal: bigint;
  /** Undefined until the settlement is confirmed. */
  readonly settlement: bigint | undefined;
}

export function chainTotals({ deposits, withdrawn, settled }: ChainView, side: Side): ChainTotals {
  return { deposit: deposits[side], withdrawal: withdrawn[side], settlement: settled?.shares[side] };
}

const NOTHING: ChainTotals = { deposit: 0n, withdrawal: 0n, settlement: undefined };

/**
 * What moved between two states of a channel: derived, so that nobody can forget to tell it. Once the escrow has
 * settled a channel it shows zeros; that is no movement, the settlement is.
 */
export function movementsBetween(
  before: ChainTotals | undefined,
  { id, side, terms }: ChannelState,
  time: number,
): Movement[] {
  const from = before ?? NOTHING;
  const to = chainTotals(terms.chain, side);
  const place = { time, channelId: id, token: terms.channel.token };
  const moved: Movement[] = [];
  for (const kind of ["deposit", "withdrawal"] as const) {
    const over = terms.phase === "closing" || terms.phase === "settled";
    if (to[kind] === from[kind] || (over && to[kind] < from[kind])) continue;
    moved.push({ kind, ...place, amount: to[kind] - from[kind], total: to[kind] });
  }
  if (to.settlement !== undefined && from.settlement === undefined) {
    moved.push({ kind: "settlement", ...place, amount: to.settlement, total: to.settlement });
  }
  return moved;
}

/** What was paid in a channel up to some point; base units. */
export interface Paid {
  readonly sent: bigint;
  readonly received: bigint;
}

/** Our money in a channel that has not settled. */
export function balanceOf(totals: Omit<ChainTotals, "settlement">, { sent, received }: Paid): bigint {
  return totals.deposit - totals.withdrawal + received - sent;
}

/**
 * The nonces up to which this channel's payments count: everything we signed, since it is spent whatever the payee
 * answers, and everything we accepted. Evidence beyond that was never a payment.
 */
export function countedNonces(state: ChannelState): Readonly<Record<"sent" | "received", bigint>> {
  return { sent: state.sent.nonce, received: state.accepted };
}
