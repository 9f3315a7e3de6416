import { BUDGET_CAPS, type Budget } from "../../node/limits/caps.ts";
import type { Address } from "../../protocol/index.ts";
import type { Scope } from "../schema/accessToken.ts";

/** What an access token allows. What is absent is as in the token it was made from. */
export interface Grant {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Unix seconds; from then on it allows nothing. */
  readonly expiresAt?: number | undefined;
  /** Signers that may be paid. */
  readonly payees?: readonly Address[] | undefined;
  /** One per token of money that may be spent. */
  readonly budgets?: readonly Budget[] | undefined;
}

/** The part of a grant that cannot be had, and why. */
export interface Excess {
  readonly part: "scopes" | "expiresAt" | "payees" | "budgets";
  readonly reason: string;
}

const ALL_SCOPES: readonly Scope[] = ["read", "receive", "pay", "admin"];

/** `admin` includes all others; each of the others stands for itself. */
export function withImplied(scopes: readonly Scope[]): readonly Scope[] {
  return scopes.includes("admin") ? ALL_SCOPES : ALL_SCOPES.filter((scope) => scopes.includes(scope));
}

/** What `child` asks for beyond what `parent` has, or undefined. Asked of every ancestor it is the whole rule. */
export function excessOver(parent: Grant, child: Grant): Excess | undefined {
  const allowed = withImplied(parent.scopes);
  const scope = child.scopes.find((one) => !allowed.includes(one));
  if (scope !== undefined) return { part: "scopes", reason: `no ${scope}` };
  if (parent.expiresAt !== undefined && (child.expiresAt ?? 0) > parent.expiresAt) {
    return { part: "expiresAt", reason: `not beyond ${parent.expiresAt}` };
  }
  const payees = parent.payees && new Set(parent.payees);
  const payee = payees && child.payees?.find((one) => !payees.has(one));
  if (payee !== undefined) return { part: "payees", reason: `not ${payee}` };
  return budgetExcess(parent.budgets, child.budgets);
}

function budgetExcess(
  parents: readonly Budget[] | undefined,
  children: readonly Budget[] | undefined,
): Excess | undefined {
  if (parents === undefined || children === undefined) return undefined;
  for (const child of children) {
    const { token } = child;
    const parent = parents.find((one) => one.token === token);
    if (parent === undefined) return { part: "budgets", reason: `nothing of ${token}` };
    for (const cap of BUDGET_CAPS) {
      const [most, asked] = [parent[cap], child[cap]];
      if (most === undefined || asked === undefined || asked <= most) continue;
      return { part: "budgets", reason: `${cap} at most ${most} of ${token}` };
    }
  }
  return undefined;
}

/** Why a grant makes no sense by itself, or undefined. `now`: Unix seconds. */
export function flawOf({ budgets = [], payees = [], expiresAt }: Grant, now: number): Excess | undefined {
  if (expiresAt !== undefined && expiresAt <= now) return { part: "expiresAt", reason: "it is over already" };
  if (new Set(budgets.map(({ token }) => token)).size < budgets.length) {
    return { part: "budgets", reason: "two of one token: nobody could say which counts" };
  }
  return new Set(payees).size < payees.length ? { part: "payees", reason: "one is named twice" } : undefined;
}
