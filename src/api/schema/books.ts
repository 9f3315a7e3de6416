import { z } from "zod";
import { Address, Amount } from "./common.ts";
import { PaymentFilter } from "./payment.ts";

/** The accounts of one token, signed decimal strings: debit positive. Their sum is zero. */
export const TrialBalance = z
  .object({
    token: Address,
    accounts: z.array(z.object({ account: z.string(), balance: z.string() })),
    /** What the books say this node owns, and what channels and wallet hold. */
    books: Amount,
    channels: Amount,
    /** Absent: the token's contract does not tell. */
    wallet: Amount.optional(),
    /** What the escrow keeps for the account because a payout was refused. */
    escrow: Amount,
    balanced: z.boolean(),
  })
  .meta({ id: "TrialBalance" });
export type TrialBalance = z.infer<typeof TrialBalance>;

export const StatementQuery = PaymentFilter.extend({ format: z.enum(["json", "csv"]).default("json") });
