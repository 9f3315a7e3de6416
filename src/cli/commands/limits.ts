import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { LimitsPolicy } from "../../client/index.ts";
import type { Tokens } from "../amounts.ts";
import { usage } from "../exitCodes.ts";
import type { Run } from "../run.ts";
import type { Shell } from "../shell.ts";
import { short, timeText } from "../text.ts";

const EXAMPLE = `
Examples:
  $ rivulet limits
  $ rivulet limits set --per-payment "1 USDC" --per-day "20 USDC" --on-limit hold
  $ rivulet limits set --file limits.json        # replaces the whole policy
  $ rivulet limits approvals && rivulet limits approve k3f9…
`;

const AMOUNTS = ["perPayment", "perHour", "perDay", "perMonth", "perChannel"] as const;
type Limits = LimitsPolicy["node"][number];

interface SetOptions extends Partial<Record<(typeof AMOUNTS)[number], string>> {
  readonly peer?: string;
  readonly onLimit?: LimitsPolicy["onLimit"];
  readonly velocity?: string;
  readonly file?: string;
}

export function registerLimits(program: Command, run: Run): void {
  const limits = program
    .command("limits")
    .description("spending limits and alarms; payments held for approval; what was decided")
    .addHelpText("after", EXAMPLE)
    .action(run(async (shell) => show(shell, await (await shell.client()).limits())));
  limits
    .command("set")
    .description("change what is named, leave the rest")
    .option("--per-payment <amount>")
    .option("--per-hour <amount>")
    .option("--per-day <amount>")
    .option("--per-month <amount>", "30 days")
    .option("--per-channel <amount>", "most of our own money in one channel")
    .option("--peer <signer>", "for this peer instead of the whole node")
    .option("--on-limit <what>", "refuse, hold or freeze")
    .option("--velocity <times>", "alarm at so many times the usual; 0 turns it off")
    .option("--file <file>", "the whole policy as JSON")
    .action(run(set));
  limits
    .command("approvals")
    .description("payments that wait for a human")
    .action(
      run(async (shell) => {
        const { items } = await (await shell.client()).approvals({ query: { state: "waiting" } });
        const tokens = await shell.tokens();
        const rows: string[][] = [];
        for (const { id, amount, token, peer, rule, expiresAt } of items)
          rows.push([id, await tokens.show(amount, token), short(peer), rule, timeText(expiresAt)]);
        shell.result(
          { items },
          rows.length === 0 ? "nothing waits" : shell.table(["id", "amount", "peer", "rule", "until"], rows),
        );
      }),
    );
  for (const verdict of ["approve", "deny"] as const) {
    limits
      .command(verdict)
      .argument("<id>")
      .description(verdict === "approve" ? "let a held payment go" : "refuse a held payment for good")
      .action(
        run(async (shell, id: string) => {
          const approval = await (await shell.client())[verdict]({ params: { id } });
          const next = verdict === "approve" ? "; whoever asked for it asks again with the same key" : "";
          shell.result(approval, `${approval.state}${next}`);
        }),
      );
  }
  limits
    .command("decisions")
    .description("what limits and alarms decided, and why, newest first")
    .option("--limit <count>", "how many", "20")
    .action(
      run(async (shell, { limit }: { limit: string }) => {
        const { items } = await (await shell.client()).decisions({ query: { limit: Number(limit) } });
        const rows = items.map(({ time, verdict, rule, reason }) => [timeText(time), verdict, rule, reason]);
        shell.result(
          { items },
          rows.length === 0
            ? "nothing was decided"
            : shell.table(["time", "verdict", "rule", "reason"], rows),
        );
      }),
    );
}

export function registerFreeze(program: Command, run: Run): void {
  program
    .command("freeze")
    .argument("[reason]")
    .description("stop all spending until it is thawed; receiving and closing go on")
    .addHelpText("after", '\nExample:\n  $ rivulet freeze "laptop stolen"\n')
    .action(
      run(async (shell, reason: string | undefined) => {
        await (await shell.client()).freeze({ body: reason === undefined ? {} : { reason } });
        shell.result({ frozen: true }, "frozen: nothing is paid until `rivulet unfreeze`");
      }),
    );
  program
    .command("unfreeze")
    .description("thaw spending")
    .addHelpText("after", "\nExample:\n  $ rivulet unfreeze\n")
    .action(
      run(async (shell) => {
        await (await shell.client()).unfreeze();
        shell.result({ frozen: false }, "thawed");
      }),
    );
}

async function set(shell: Shell, options: SetOptions): Promise<void> {
  const client = await shell.client();
  const { file } = options;
  const policy =
    file === undefined ? await changed(shell, await client.limits(), options) : await ofFile(file);
  await show(shell, await client.setLimits({ body: policy }));
}

async function ofFile(file: string): Promise<LimitsPolicy> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as LimitsPolicy;
  } catch (error) {
    throw usage(`${file} cannot be used: ${(error as Error).message}`);
  }
}

/** The policy with what the options name changed in it. */
async function changed(shell: Shell, policy: LimitsPolicy, options: SetOptions): Promise<LimitsPolicy> {
  const tokens = await shell.tokens();
  const amounts = await amountsOf(tokens, options);
  const peer = options.peer?.toLowerCase() as LimitsPolicy["peers"][number]["peer"] | undefined;
  let { node, peers, velocity } = policy;
  for (const [token, limits] of amounts) {
    if (peer === undefined)
      node = merged(node, { token: token as Limits["token"], ...limits }, (one) => one.token === token);
    else {
      const entry = { peer, token: token as Limits["token"], ...limits };
      peers = merged(peers, entry, (one) => one.token === token && one.peer === peer);
    }
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

function merged<Of extends Limits>(list: readonly Of[], entry: Of, same: (one: Of) => boolean): Of[] {
  const known = list.find(same);
  return [...list.filter((one) => one !== known), { ...known, ...entry }];
}

async function amountsOf(tokens: Tokens, options: SetOptions): Promise<Map<string, Partial<Limits>>> {
  const found = new Map<string, Partial<Limits>>();
  for (const name of AMOUNTS) {
    const text = options[name];
    if (text === undefined) continue;
    const { amount, unit } = await tokens.parse(text);
    found.set(unit.token, { ...found.get(unit.token), [name]: `${amount}` });
  }
  return found;
}

async function show(shell: Shell, policy: LimitsPolicy): Promise<void> {
  const tokens = await shell.tokens();
  const rows: string[][] = [];
  const scopes = [
    ...policy.node.map((limits) => ["node", limits] as const),
    ...policy.peers.map((limits) => [short(limits.peer), limits] as const),
  ];
  for (const [scope, limits] of scopes) {
    for (const name of AMOUNTS) {
      const amount = limits[name];
      if (amount !== undefined) rows.push([scope, WORDS[name], await tokens.show(amount, limits.token)]);
    }
  }
  const { velocity, onLimit } = policy;
  const alarm =
    velocity === undefined
      ? "no velocity alarm"
      : `alarm at ${velocity.times} times the usual of ${velocity.windowSeconds} s: ${velocity.onTrip}`;
  const table = rows.length === 0 ? "no limits" : shell.table(["for", "", "at most"], rows);
  shell.result(policy, `${table}\n\nover a limit: ${onLimit}\n${alarm}`);
}

const WORDS: Readonly<Record<(typeof AMOUNTS)[number], string>> = {
  perPayment: "per payment",
  perHour: "per hour",
  perDay: "per day",
  perMonth: "per 30 days",
  perChannel: "in one channel",
};
