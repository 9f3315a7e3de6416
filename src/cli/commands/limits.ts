import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { LimitsPolicy } from "../../client/index.ts";
import { LIMIT_CAPS } from "../../node/limits/caps.ts";
import { usage } from "../exitCodes.ts";
import { changed, type LimitsChange } from "../limitsChange.ts";
import type { Run } from "../run.ts";
import type { Shell } from "../shell.ts";
import { short, timeText } from "../text.ts";

const EXAMPLE = `
Examples:
  $ rivulet limits
  $ rivulet limits set --per-payment "1 USDC" --per-day "20 USDC" --on-limit hold
  $ rivulet limits set --per-hour "none USDC"    # takes this limit away
  $ rivulet limits set --file limits.json        # replaces the whole policy
  $ rivulet limits approvals && rivulet limits approve k3f9…
`;

interface SetOptions extends LimitsChange {
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
    .description('change what is named, leave the rest; an amount "none USDC" takes the limit away')
    .option("--per-payment <amount>", 'for example "1 USDC", or "none USDC"')
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
    file === undefined
      ? await changed(await shell.tokens(), await client.limits(), options)
      : await ofFile(file);
  await show(shell, await client.setLimits({ body: policy }));
}

async function ofFile(file: string): Promise<LimitsPolicy> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as LimitsPolicy;
  } catch (error) {
    throw usage(`${file} cannot be used: ${(error as Error).message}`);
  }
}

async function show(shell: Shell, policy: LimitsPolicy): Promise<void> {
  const tokens = await shell.tokens();
  const rows: string[][] = [];
  const scopes = [
    ...policy.node.map((limits) => ["node", limits] as const),
    ...policy.peers.map((limits) => [short(limits.peer), limits] as const),
  ];
  for (const [scope, limits] of scopes) {
    for (const name of LIMIT_CAPS) {
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

const WORDS: Readonly<Record<(typeof LIMIT_CAPS)[number], string>> = {
  perPayment: "per payment",
  perHour: "per hour",
  perDay: "per day",
  perMonth: "per 30 days",
  perChannel: "in one channel",
};
