import type { z } from "zod";
import { BUDGET_CAPS, capsAsText, capsOfText, type Budget as NodeBudget } from "../../node/limits/caps.ts";
import type { SpendingGate } from "../../node/limits/gate.ts";
import type { Address } from "../../protocol/index.ts";
import type { AccessToken } from "../accessTokens/accessToken.ts";
import type { Grant } from "../accessTokens/grant.ts";
import type { Handlers } from "../handler.ts";
import type {
  CreateAccessTokenBody,
  AccessToken as Shown,
  Budget as ShownBudget,
} from "../schema/accessToken.ts";

export const accessTokensHandlers: Handlers<"accessTokens" | "createAccessToken" | "revokeAccessToken"> = {
  accessTokens: async ({ caller }, { accessTokens, node }) => {
    const items: Shown[] = [];
    for (const token of accessTokens.list(caller)) items.push(await shownToken(token, node.spending));
    return { items };
  },
  createAccessToken: async ({ body, caller }, { accessTokens, node }) => {
    const { token, secret } = await accessTokens.create(caller, grantOf(body));
    return { ...(await shownToken(token, node.spending)), secret };
  },
  revokeAccessToken: async ({ params, caller }, { accessTokens }) => {
    await accessTokens.revoke(caller, params.id);
    return undefined;
  },
};

function grantOf({
  name,
  scopes,
  expiresAt,
  payees,
  budgets,
}: z.output<typeof CreateAccessTokenBody>): Grant {
  return {
    name,
    scopes,
    expiresAt,
    payees: payees as Address[] | undefined,
    budgets: budgets?.map(budgetOf),
  };
}

function budgetOf(body: ShownBudget): NodeBudget {
  return { token: body.token as Address, ...capsOfText(BUDGET_CAPS, body) };
}

/** Without its secret, which nobody has but whoever was told it. */
async function shownToken(token: AccessToken, spending: SpendingGate): Promise<Shown> {
  const { id, grant, parent, createdAt, lastUsedAt, revokedAt } = token;
  const { name, scopes, expiresAt, payees, budgets } = grant;
  const spent: Shown["spent"] = [];
  for (const { token: money } of budgets ?? []) spent.push(await spentOf(token, money, spending));
  return {
    id,
    name,
    scopes: [...scopes],
    createdAt,
    revoked: revokedAt !== undefined,
    spent,
    ...(parent !== undefined && { parent: parent.id }),
    ...(lastUsedAt !== undefined && { lastUsedAt }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(payees !== undefined && { payees: [...payees] }),
    ...(budgets !== undefined && { budgets: budgets.map(shownBudget) }),
  };
}

async function spentOf(
  { caller }: AccessToken,
  money: Address,
  spending: SpendingGate,
): Promise<Shown["spent"][number]> {
  const { perHour, perDay, perMonth, total } = await spending.spentBy(caller.spender, money);
  return { token: money, hour: `${perHour}`, day: `${perDay}`, month: `${perMonth}`, total: `${total}` };
}

function shownBudget(budget: NodeBudget): ShownBudget {
  return { token: budget.token, ...capsAsText(BUDGET_CAPS, budget) };
}
