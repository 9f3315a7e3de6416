import { z } from "zod";
import { parseAddress } from "../../chain/checksum.ts";
import { MAX_LABEL_LENGTH } from "../../node/history/labels.ts";

/** An amount in the token's base unit, as a decimal string: JSON has no integers of that size. */
export const Amount = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,38})$/, "a whole number of the token's base unit, as a decimal string")
  .meta({ description: "In the token's base unit.", examples: ["250000"] });

/** An amount of money that moves: above zero. */
export const PositiveAmount = Amount.refine((text) => text !== "0", "above zero");

/** Lower case on the way out; any case on the way in. */
export const Address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, "an address: 0x and 40 hex digits")
  .transform((text) => text.toLowerCase() as `0x${string}`)
  .meta({ description: "Address; the zero address stands for the native coin where a token is meant." });

/** Where money goes for good. In two cases its letters are a checksum, and a wrong one is refused. */
export const Destination = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, "an address: 0x and 40 hex digits")
  .refine(
    (text) => parseAddress(text) !== undefined,
    "its checksum is wrong: a digit or a letter is mistyped",
  )
  .transform((text) => text.toLowerCase() as `0x${string}`)
  .meta({ description: "Address; with letters of both cases its EIP-55 checksum must be right." });

export const Bytes32 = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, "0x and 64 hex digits")
  .transform((text) => text.toLowerCase() as `0x${string}`);

export const ChannelId = Bytes32.meta({ description: "keccak256 of chain, escrow and the channel's tuple." });

export const PaymentId = z
  .string()
  .regex(/^0x[0-9a-fA-F]{32}$/, "a payment id: 0x and 32 hex digits")
  .transform((text) => text.toLowerCase() as `0x${string}`)
  .meta({ description: "16 bytes." });

/** A position in a direction of a channel. */
export const Nonce = z.string().regex(/^(0|[1-9][0-9]{0,19})$/, "a whole number as a decimal string");

export const UnixSeconds = z.int().nonnegative().meta({ description: "Unix seconds." });

/** What people call something of theirs; shown, filtered and exported, never interpreted. */
export const Label = z
  .string()
  .min(1)
  .max(MAX_LABEL_LENGTH)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u, "printable text");

/** Opaque: only what an answer of the same list gave is one. */
export const Cursor = z.string().min(1).max(256);

export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: Cursor.optional(),
});

/** A page of those in one state. */
export function pageQueryOf<State extends z.ZodType>(state: State) {
  return PageQuery.extend({ state: state.optional() });
}

/** An amount of each side. */
export const Sides = z.object({ ours: Amount, theirs: Amount });

/** Most that may be paid in one token, within windows that slide. What is absent is not limited. */
export const SpendingCaps = z.object({
  token: Address,
  perPayment: PositiveAmount.optional(),
  perHour: PositiveAmount.optional(),
  perDay: PositiveAmount.optional(),
  perMonth: PositiveAmount.optional(),
});

/** A page of a list. `next` is absent on the last one. */
export function page<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: Cursor.optional() });
}
