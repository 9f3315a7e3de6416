import type { LimitsPolicy } from "../client/index.ts";
import { LIMIT_CAPS } from "../node/limits/caps.ts";
import type { Tokens } from "./amounts.ts";
import { usage } from "./exitCodes.ts";

type AmountName = (typeof LIMIT_CAPS)[number];
type Limits = LimitsPolicy["node"][number];

/** What `limits set` changes, as it was typed. */
export interface LimitsChange extends Partial<Record<AmountName, string>> {
  readonly peer?: string;
  readonly onLimit?: LimitsPolicy["onLimit"];
  readonly velocity?: string;
}

/** A limit's new amount, or that there is none any more. */
interface Change {
  readonly token: Limits["token"];
  readonly name: AmountName;
  readonly amount: string | undefined;
}

/** The policy with what is named changed in it, and nothing else. Throws where a limit to take away is not there. */
export async function changed(
  tokens: Pick<Tokens, "parse" | "find">,
  policy: LimitsPolicy,
  options: LimitsChange,
): Promise<LimitsPolicy> {
  const peer = options.peer?.toLowerCase() as LimitsPolicy["peers"][number]["peer"] | undefined;
  let { node, peers, velocity } = policy;
  for (const change of await changesOf(tokens, options)) {
    if (peer === undefined)
      node = applied(
        node,
        change,
        (token) => ({ token }),
        () => true,
      );
    else
      peers = applied(
        peers,
        change,
        (token) => ({ token, peer }),
        (one) => one.peer === peer,
      );
  }
  if (options.velocity !== undefined) {
    const times = Number(options.velocity);
    velocity =
      times === 0
        ? undefined
        : { ...(velocity ?? { windowSeconds: 60, floor: [], onTrip: "hold" as const }), times };
  }
  return { node, peers, onLimit: options.onLimit ?? policy.onLimit, ...(velocity && { velocity }) };
}

function applied<Of extends Limits>(
  list: readonly Of[],
  { token, name, amount }: Change,
  fresh: (token: Limits["token"]) => Of,
  within: (one: Of) => boolean,
): Of[] {
  const known = list.find((one) => one.token === token && within(one));
  if (amount === undefined && known?.[name] === undefined)
    throw usage(
      `there is no such limit to take away: ${name} of ${token}`,
      "`rivulet limits` shows those there are.",
    );
  const { [name]: _, ...rest } = (known ?? fresh(token)) as Of;
  const next = (amount === undefined ? rest : { ...rest, [name]: amount }) as Of;
  const others = list.filter((one) => one !== known);
  return LIMIT_CAPS.some((one) => next[one] !== undefined) ? [...others, next] : others;
}

async function changesOf(tokens: Pick<Tokens, "parse" | "find">, options: LimitsChange): Promise<Change[]> {
  const changes: Change[] = [];
  for (const name of LIMIT_CAPS) {
    const text = options[name]?.trim();
    if (text === undefined) continue;
    const none = /^none(?:\s+(\S.*))?$/i.exec(text);
    if (none !== null && none[1] === undefined)
      throw usage("in which token is there to be no such limit?", 'Write it as "none USDC".');
    const { token, amount } =
      none === null ? await parsed(tokens, text) : { ...(await tokens.find(none[1]!)), amount: undefined };
    changes.push({ token: token as Limits["token"], name, amount });
  }
  return changes;
}

async function parsed(tokens: Pick<Tokens, "parse">, text: string) {
  const { amount, unit } = await tokens.parse(text);
  return { token: unit.token, amount: `${amount}` };
}
