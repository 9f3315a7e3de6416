import { z } from "zod";
import type { Address, ChannelId, Hex } from "../../protocol/index.ts";
import { MAX_LABEL_LENGTH } from "../history/labels.ts";
import type { StatementRecord } from "./statementRecord.ts";

/** What a checker accepts as a record: a stranger wrote it, so every field is bounded before it is used. */
const text = (pattern: RegExp) => z.string().regex(pattern);
const unsigned = text(/^(0|[1-9][0-9]{0,77})$/);
const signed = text(/^(0|-?[1-9][0-9]{0,77})$/);
const nonce = text(/^(0|[1-9][0-9]{0,19})$/);
const hex = (pattern: RegExp) => text(pattern).transform((value) => value as Hex);
const bytes32 = hex(/^0x[0-9a-f]{64}$/);
const address = text(/^0x[0-9a-f]{40}$/).transform((value) => value as Address);
const channelId = bytes32.transform((value) => value as ChannelId);
const signature = hex(/^0x([0-9a-f]{130})?$/);
/** Entries of an update: 128 KiB at most, see `protocol/entries.ts`. */
const entries = hex(/^0x([0-9a-f]{2}){1,131072}$/);
const time = z.int().nonnegative();
const direction = z.enum(["sent", "received"]);
const label = z.string().min(1).max(MAX_LABEL_LENGTH);

const position = z.strictObject({ nonce, transferred: unsigned, history: bytes32 });
const standing = z.strictObject({
  deposited: unsigned,
  withdrawn: unsigned,
  sent: position,
  received: position,
  balance: signed,
});

const filter = z.strictObject({
  from: time.optional(),
  to: time.optional(),
  peer: address.optional(),
  token: address.optional(),
  label: label.optional(),
});

const payment = z.strictObject({
  index: z.int().nonnegative(),
  paymentId: hex(/^0x[0-9a-f]{32}$/),
  amount: unsigned,
  reference: bytes32.optional(),
  refund: z.literal(true).optional(),
  label: label.optional(),
});

const payout = { type: z.literal("payout"), time, transaction: bytes32, token: address, amount: unsigned };

export const StatementRecordSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("node"),
    account: address,
    signer: address,
    chainId: unsigned,
    escrow: address,
    madeAt: time,
    filter,
  }),
  z.strictObject({
    type: z.literal("channel"),
    channelId,
    participants: z.tuple([address, address]),
    signers: z.tuple([address, address]),
    token: address,
    challengePeriod: z.int().nonnegative().max(0xffff_ffff),
    salt: nonce,
    side: z.union([z.literal(0), z.literal(1)]),
    opening: standing,
  }),
  z.strictObject({
    type: z.literal("movement"),
    kind: z.enum(["deposit", "withdrawal", "settlement"]),
    time,
    amount: signed,
    total: unsigned,
  }),
  z.strictObject({
    type: z.literal("update"),
    direction,
    nonce,
    time,
    entries,
    beyond: z.literal(true).optional(),
    payments: z.array(payment).max(10_000),
  }),
  z.strictObject({
    type: z.literal("proof"),
    direction,
    nonce,
    transferred: unsigned,
    locked: unsigned,
    locksRoot: bytes32,
    history: bytes32,
    signature,
  }),
  z.strictObject({ type: z.literal("channelEnd"), channelId, closing: standing }),
  z.strictObject({
    type: z.literal("gas"),
    time,
    transaction: bytes32,
    intent: z.string().max(200),
    amount: unsigned,
  }),
  z.strictObject({
    type: z.literal("drawing"),
    time,
    transaction: bytes32,
    token: address,
    to: address,
    amount: unsigned,
  }),
  z.discriminatedUnion("kind", [
    z.strictObject({ ...payout, kind: z.literal("credited"), channelId }),
    z.strictObject({ ...payout, kind: z.literal("fetched"), to: address }),
  ]),
  z.strictObject({
    type: z.literal("totals"),
    token: address,
    payments: z.int().nonnegative(),
    opening: signed,
    deposited: signed,
    withdrawn: signed,
    sent: unsigned,
    received: unsigned,
    settled: unsigned,
    settlementLoss: signed,
    closing: signed,
    gas: unsigned,
    drawn: unsigned.optional(),
    credited: unsigned.optional(),
    fetched: unsigned.optional(),
  }),
  z.strictObject({
    type: z.literal("end"),
    records: z.int().nonnegative(),
    hash: bytes32,
    signature,
  }),
]);

/** The record on a line, or undefined when it is none. */
export function parseRecord(line: string): StatementRecord | undefined {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return undefined;
  }
  const parsed = StatementRecordSchema.safeParse(json);
  return parsed.success ? (parsed.data as StatementRecord) : undefined;
}
