import type { AccessToken } from "../client/index.ts";
import type { Tokens } from "./amounts.ts";

type Cap = "perPayment" | "perHour" | "perDay" | "perMonth" | "total";
type Spent = AccessToken["spent"][number];

/** A budget's caps in words, with where it is told what was spent of each; a single payment spends of none. */
const CAPS: readonly (readonly [Cap, string, Exclude<keyof Spent, "token"> | undefined])[] = [
  ["perPayment", "per payment", undefined],
  ["perHour", "per hour", "hour"],
  ["perDay", "per day", "day"],
  ["perMonth", "per month", "month"],
  ["total", "total", "total"],
];

/** What an access token may spend and what is left of it, a cap per line; empty where it may not pay. */
export async function budgetLines(
  tokens: Pick<Tokens, "show">,
  { budgets, spent, scopes, parent }: Pick<AccessToken, "budgets" | "spent" | "scopes" | "parent">,
): Promise<string[]> {
  if (!scopes.includes("pay") && !scopes.includes("admin")) return [];
  if (budgets === undefined) return [parent === undefined ? "everything" : "what its parent may"];
  const lines: string[] = [];
  for (const budget of budgets) {
    const { token } = budget;
    if (CAPS.every(([cap]) => budget[cap] === undefined)) lines.push(`any amount of ${token}`);
    const used = spent.find((one) => one.token === token);
    for (const [cap, words, counted] of CAPS) {
      const most = budget[cap];
      if (most === undefined) continue;
      const text = `${await tokens.show(most, token)} ${words}`;
      if (counted === undefined || used === undefined) lines.push(text);
      else lines.push(`${text}, ${await tokens.show(leftOf(most, used[counted]), token)} left`);
    }
  }
  return lines.length === 0 ? ["nothing"] : lines;
}

/** Nothing, where a payment came back after its budget was spent. */
function leftOf(most: string, used: string): bigint {
  const left = BigInt(most) - BigInt(used);
  return left > 0n ? left : 0n;
}
