import type { z } from "zod";
import type { Approval as HeldPayment } from "../../node/limits/approvals.ts";
import { capsAsText, capsOfText, LIMIT_CAPS } from "../../node/limits/caps.ts";
import type { Decision as NodeDecision } from "../../node/limits/decisions.ts";
import type { LimitsPolicy as NodePolicy, SpendingLimits } from "../../node/limits/policy.ts";
import type { Address } from "../../protocol/index.ts";
import { ApiError } from "../error.ts";
import type { Handlers } from "../handler.ts";
import type { Approval, Decision, LimitsPolicy } from "../schema/limits.ts";

type Names = "limits" | "setLimits" | "decisions" | "approvals" | "approve" | "deny" | "freeze" | "unfreeze";

/** Decisions read for one page: a token of which there are few must not make the node read all of them. */
const MAX_READ = 5_000;

const DECISION_ID = /^[0-9]{15}-[0-9a-z]{6,12}$/;

export const limitsHandlers: Handlers<Names> = {
  limits: async (_call, { node }) => shownPolicy(node.spending.policy),
  setLimits: async ({ body }, { node }) => {
    await node.spending.setPolicy(policyOf(body));
    return shownPolicy(node.spending.policy);
  },
  decisions: async ({ query: { limit, cursor }, caller }, { node, accessTokens }) => {
    if (cursor !== undefined && !DECISION_ID.test(cursor)) {
      throw new ApiError({ code: "cursor_invalid", fields: {} });
    }
    const items: Decision[] = [];
    let read = 0;
    let last: string | undefined;
    for await (const decision of node.spending.decisions.list({ after: cursor, limit: MAX_READ })) {
      read++;
      last = decision.id;
      if (accessTokens.isOwn(caller, decision.spender)) items.push(shownDecision(decision));
      if (items.length >= limit) break;
    }
    const more = items.length >= limit || read >= MAX_READ;
    return { items, ...(more && last !== undefined && { next: last }) };
  },
  approvals: async ({ query: { limit, cursor, state }, caller }, { node, accessTokens }) => {
    const all = node.spending.approvals.list();
    const from = cursor === undefined ? 0 : all.findIndex(({ id }) => id === cursor) + 1;
    if (cursor !== undefined && from === 0) throw new ApiError({ code: "cursor_invalid", fields: {} });
    const own = all
      .slice(from)
      .filter(
        (one) => accessTokens.isOwn(caller, one.spender) && (state === undefined || one.state === state),
      );
    const items = own.slice(0, limit);
    const next = own.length > limit ? items.at(-1)?.id : undefined;
    return { items: items.map(shownApproval), ...(next !== undefined && { next }) };
  },
  approve: async ({ params, caller }, { node }) =>
    shownApproval(await node.spending.decide(params.id, "approved", caller.spender)),
  deny: async ({ params, caller }, { node }) =>
    shownApproval(await node.spending.decide(params.id, "denied", caller.spender)),
  freeze: async ({ body, caller }, { node }) => {
    await node.spending.freeze(body.reason, caller.spender);
    return undefined;
  },
  unfreeze: async ({ caller }, { node }) => {
    await node.spending.unfreeze(caller.spender);
    return undefined;
  },
};

/** What `decisions` and events tell of a decision; amounts may have been through JSON. */
export function shownDecision(
  decision: Omit<NodeDecision, "amount"> & { amount?: bigint | string | undefined },
): Decision {
  const { id, time, verdict, rule, reason, spender, peer, channelId, token, amount, count } = decision;
  return {
    id,
    time,
    verdict,
    rule,
    reason: count > 1 ? `${reason} (${count} times within a minute)` : reason,
    ...(spender !== undefined && { accessToken: spender }),
    ...(peer !== undefined && { peer }),
    ...(channelId !== undefined && { channelId }),
    ...(token !== undefined && { token }),
    ...(amount !== undefined && { amount: `${amount}` }),
  };
}

/** A held payment as the API and its events show it. */
export function shownApproval(approval: Omit<HeldPayment, "amount"> & { amount: bigint | string }): Approval {
  const { id, state, createdAt, expiresAt, rule, reason, spender, peer, channelId, token, amount } = approval;
  return {
    id,
    state,
    createdAt,
    expiresAt,
    rule,
    reason,
    peer,
    channelId,
    token,
    amount: `${amount}`,
    ...(spender !== undefined && { accessToken: spender }),
  };
}

function policyOf({ node, peers, velocity, onLimit }: z.output<typeof LimitsPolicy>): NodePolicy {
  const floor = velocity?.floor.map(({ token, amount }) => ({
    token: token as Address,
    amount: BigInt(amount),
  }));
  return {
    node: node.map(limitsOf),
    peers: peers.map((limits) => ({ ...limitsOf(limits), peer: limits.peer as Address })),
    onLimit,
    ...(velocity && { velocity: { ...velocity, floor: floor! } }),
  };
}

function limitsOf(limits: z.output<typeof LimitsPolicy>["node"][number]): SpendingLimits {
  return { token: limits.token as Address, ...capsOfText(LIMIT_CAPS, limits) };
}

function shownPolicy({ node, peers, velocity, onLimit }: NodePolicy): LimitsPolicy {
  const floor = velocity?.floor.map(({ token, amount }) => ({ token, amount: `${amount}` }));
  return {
    node: node.map(shownLimits),
    peers: peers.map((limits) => ({ ...shownLimits(limits), peer: limits.peer })),
    onLimit,
    ...(velocity && { velocity: { ...velocity, floor: floor! } }),
  };
}

function shownLimits(limits: SpendingLimits): LimitsPolicy["node"][number] {
  return { token: limits.token, ...capsAsText(LIMIT_CAPS, limits) };
}
