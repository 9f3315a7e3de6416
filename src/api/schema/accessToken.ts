import { z } from "zod";
import { Address, Amount, Label, PositiveAmount, SpendingCaps, UnixSeconds } from "./common.ts";

export const Scope = z.enum(["read", "receive", "pay", "admin"]).meta({
  description:
    "admin includes all others. Each of the others stands for itself: pay alone pays and freezes, and sees nothing.",
});
export type Scope = z.infer<typeof Scope>;

/** What a route asks of an access token; `any`: nothing but that it lives. */
export type RouteScope = Scope | "any";

/** What an access token may spend of one token of money. */
export const Budget = SpendingCaps.extend({ total: PositiveAmount.optional() }).meta({ id: "Budget" });
export type Budget = z.infer<typeof Budget>;

const Grant = {
  name: Label,
  scopes: z.array(Scope).min(1),
  expiresAt: UnixSeconds.optional(),
  /** Signers that may be paid. Absent: as the parent. */
  payees: z.array(Address).min(1).max(1000).optional(),
  /** One per token. A token without one cannot be paid in. Absent: as the parent. */
  budgets: z.array(Budget).max(100).optional(),
};

export const AccessToken = z
  .object({
    id: z.string(),
    /** Children spend the parent's budget too, and end with it. */
    parent: z.string().optional(),
    ...Grant,
    createdAt: UnixSeconds,
    lastUsedAt: UnixSeconds.optional(),
    revoked: z.boolean(),
    spent: z.array(z.object({ token: Address, hour: Amount, day: Amount, month: Amount, total: Amount })),
  })
  .meta({ id: "AccessToken" });
export type AccessToken = z.infer<typeof AccessToken>;

/** A token made by another becomes its child and gets no more than the parent has. */
export const CreateAccessTokenBody = z.object(Grant);

/** The only time the secret is shown; the node keeps a hash of it. */
export const CreatedAccessToken = AccessToken.extend({ secret: z.string() }).meta({
  id: "CreatedAccessToken",
});
