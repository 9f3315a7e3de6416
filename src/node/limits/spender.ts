import type { Address } from "../../protocol/index.ts";
import { NodeError } from "../error.ts";
import { type Budget, NOTHING_SPENT, tripOf } from "./caps.ts";

/** On whose behalf is spent: an access token, and behind it those it was made from. Each must allow a payment. */
export interface Spender {
  readonly id: string;
  /**
   * Whom floods and habits are counted against: whoever makes a hundred spenders of one stays one. Undefined: itself.
   */
  readonly answersAs?: string | undefined;
  /** Signers that may be paid. Undefined: any. */
  readonly payees?: ReadonlySet<Address> | undefined;
  /** One per token that may be spent. Undefined: no budget, any token. */
  readonly budgets?: readonly Budget[] | undefined;
  readonly parent?: Spender | undefined;
  /** Throws if it has ended, or one it was made from: asked once more before a payment that waited is made. */
  readonly assertLive?: (() => void) | undefined;
}

/** Depth of the longest chain of access tokens. */
export const MAX_SPENDER_DEPTH = 8;

/** The spender and those it spends for, innermost first. */
export function* lineOf(spender: Spender | undefined): Generator<Spender> {
  for (let one = spender; one !== undefined; one = one.parent) yield one;
}

/** Whom this spender's floods and habits are counted against; empty for the node's own application. */
export function answererOf(spender: Spender | undefined): string {
  return spender?.answersAs ?? spender?.id ?? "";
}

/**
 * Throws `payee_forbidden` and `budget_exceeded` for a payment that this spender could never have made, whatever it has
 * spent: what is granted does not change, so whoever did make it passes for ever.
 */
export function assertGranted(
  spender: Spender | undefined,
  { peer, token, amount }: { readonly peer: Address; readonly token: Address; readonly amount: bigint },
): void {
  for (const { id, payees, budgets } of lineOf(spender)) {
    const budget = budgets?.find((one) => one.token === token);
    if ((payees !== undefined && !payees.has(peer)) || (budgets !== undefined && budget === undefined)) {
      throw new NodeError({ code: "payee_forbidden", fields: { peer, token, accessToken: id } });
    }
    const trip = budget && tripOf(budget, NOTHING_SPENT, amount);
    if (trip === undefined) continue;
    const { rule, limit, spent } = trip;
    throw new NodeError({
      code: "budget_exceeded",
      fields: { rule: `budget.${rule}`, limit, spent, amount },
    });
  }
}
