import { z } from "zod";
import { Address, Amount, ChannelId, Destination, PageQuery, PositiveAmount, Sides } from "./common.ts";

export const Phase = z.enum(["opening", "open", "closing", "settled"]);

/** `cooperative` waits a while for the peer to agree, and becomes unilateral if it does not; `unilateral` does not ask. */
export const CloseMode = z.enum(["cooperative", "unilateral"]);

export const Channel = z
  .object({
    channelId: ChannelId,
    /** The other side's signer. */
    peer: Address,
    token: Address,
    phase: Phase,
    /** Both sides have re-established it on a live session: payments can leave now. */
    connected: z.boolean(),
    sendCapacity: Amount,
    receiveCapacity: Amount,
    sent: Amount,
    received: Amount,
    deposits: Sides,
    withdrawn: Sides,
    /** What the settlement paid, once confirmed; what was refused waits at the escrow, see the node's `payouts`. */
    paidOut: Sides.optional(),
    challengePeriod: z.int(),
    /** Unix seconds; while a unilateral close is under way. */
    closeDeadline: z.int().optional(),
  })
  .meta({ id: "Channel" });
export type Channel = z.infer<typeof Channel>;

export const ChannelsQuery = PageQuery.extend({
  peer: Address.optional(),
  token: Address.optional(),
  phase: Phase.optional(),
});

export const OpenChannelBody = z.object({
  /** A multiaddr, or the signer of a connected peer. */
  peer: z.string().min(1).max(512),
  token: Address,
  deposit: PositiveAmount,
  requestDeposit: Amount.default("0"),
  challengePeriod: z.int().min(1).optional(),
});

export const DepositBody = z.object({ amount: PositiveAmount });
export const WithdrawBody = z.object({ amount: PositiveAmount });
export const CloseBody = z.object({ mode: CloseMode.default("cooperative") });

export const SendBody = z.object({
  to: Destination,
  /** The zero address: the native coin. */
  token: Address,
  /** `all`: of the native coin all but the gas, and but what disputes of channels may need. */
  amount: PositiveAmount.or(z.literal("all")),
  /** Leave less in the account than disputes of channels may need. */
  force: z.boolean().default(false),
});

export const WithdrawPayoutBody = z.object({
  /** The zero address: the native coin. */
  token: Address,
  /** The node's account where absent. */
  to: Destination.optional(),
  /** Leave less in the account than disputes of channels may need. */
  force: z.boolean().default(false),
});

export const QuoteBody = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("open"), token: Address, amount: PositiveAmount }),
  z.object({ kind: z.literal("deposit"), channelId: ChannelId, amount: PositiveAmount }),
  z.object({ kind: z.literal("withdraw"), channelId: ChannelId, amount: PositiveAmount }),
  z.object({ kind: z.literal("close"), channelId: ChannelId, mode: CloseMode }),
  SendBody.extend({ kind: z.literal("send") }),
  WithdrawPayoutBody.extend({ kind: z.literal("withdrawPayout") }),
]);

/** What transactions would cost now, before any is sent. */
export const Quote = z
  .object({
    transactions: z.array(z.object({ name: z.string(), gas: z.string() })),
    gas: z.string(),
    /** Wei per gas: what the chain asks now, and the most this node would pay. */
    gasPrice: Amount,
    gasPriceCeiling: Amount,
    cost: Amount,
    /** What would leave the account beside the gas; base units of the token. */
    amount: Amount,
    /** Whether the account covers it: the deposit, and the gas beside it. */
    affordable: z.boolean(),
    /** What the account lacks for it: wei, and base units of `token`. */
    missing: z.object({ native: Amount, token: Amount }),
    /** What would be deposited; the zero address also where nothing would. */
    token: Address,
  })
  .meta({ id: "Quote" });
export type Quote = z.infer<typeof Quote>;
