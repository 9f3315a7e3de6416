import type { Command } from "commander";
import type { AccessToken, Budget } from "../../client/index.ts";
import type { Tokens } from "../amounts.ts";
import { budgetLines } from "../budgetText.ts";
import { usage } from "../exitCodes.ts";
import type { Run } from "../run.ts";
import { timeText } from "../text.ts";
import { parseSpan } from "../when.ts";

const EXAMPLE = `
Examples:
  $ rivulet token create --name till --scope pay --budget "5 USDC per day" --budget "100 USDC total" --expires 30d
  $ rivulet token list
  $ rivulet token revoke k3f9…
`;

interface CreateOptions {
  readonly name: string;
  readonly scope: string[];
  readonly budget?: string[];
  readonly payee?: string[];
  readonly expires?: string;
}

export function registerToken(program: Command, run: Run): void {
  const token = program
    .command("token")
    .description("access tokens: what programs may do, see and spend")
    .addHelpText("after", EXAMPLE);
  token
    .command("create")
    .description("make one; its secret is shown this once")
    .requiredOption("--name <name>", "what you call it")
    .option("--scope <scope...>", "read, receive, pay, admin", ["read"])
    .option("--budget <budget...>", '"5 USDC per payment|hour|day|month", "100 USDC total"')
    .option("--payee <signer...>", "only these may be paid")
    .option("--expires <span>", "how long it lives, for example 30d")
    .action(
      run(async (shell, options: CreateOptions) => {
        const client = await shell.client();
        const budgets = options.budget && (await parseBudgets(await shell.tokens(), options.budget));
        const made = await client.createAccessToken({
          body: {
            name: options.name,
            scopes: options.scope as AccessToken["scopes"],
            ...(budgets !== undefined && { budgets }),
            ...(options.payee !== undefined && { payees: options.payee }),
            ...(options.expires !== undefined && {
              expiresAt: Math.floor(Date.now() / 1000) + parseSpan(options.expires),
            }),
          },
        });
        if (!shell.json)
          shell.note("This is the only time the secret is shown; the node keeps a hash of it.");
        if (made.scopes.includes("pay") && made.budgets === undefined && !shell.json)
          shell.note("It has no budget: whoever has it can pay everything out. --budget bounds it.");
        shell.result(made, made.secret);
      }),
    );
  token
    .command("list")
    .description("all access tokens, without their secrets")
    .action(
      run(async (shell) => {
        const { items } = await (await shell.client()).accessTokens();
        const tokens = await shell.tokens();
        const rows: string[][] = [];
        for (const one of items) {
          const [first = "", ...others] = await budgetLines(tokens, one);
          rows.push([
            one.id,
            one.name,
            one.scopes.join(" "),
            one.revoked ? "revoked" : one.expiresAt === undefined ? "" : `until ${timeText(one.expiresAt)}`,
            one.lastUsedAt === undefined ? "never used" : timeText(one.lastUsedAt),
            first,
          ]);
          for (const line of others) rows.push(["", "", "", "", "", line]);
        }
        shell.result(
          { items },
          rows.length === 0
            ? "no access tokens but the owner's"
            : shell.table(["id", "name", "scopes", "", "last used", "may spend"], rows),
        );
      }),
    );
  token
    .command("revoke")
    .argument("<id>", "`self`: the one this command uses")
    .description("end one and all that were made from it")
    .action(
      run(async (shell, id: string) => {
        await (await shell.client()).revokeAccessToken({ params: { id } });
        shell.result({ id, revoked: true }, `revoked ${id}`);
      }),
    );
}

const PERIODS: Readonly<Record<string, "perPayment" | "perHour" | "perDay" | "perMonth" | "total">> = {
  "per payment": "perPayment",
  "per hour": "perHour",
  "per day": "perDay",
  "per month": "perMonth",
  total: "total",
};

/** `5 USDC per day`, several of them, as one budget per token. */
export async function parseBudgets(
  tokens: Pick<Tokens, "parse">,
  texts: readonly string[],
): Promise<Budget[]> {
  const budgets = new Map<string, Budget>();
  for (const text of texts) {
    const match = /^(.+?)\s+(per (?:payment|hour|day|month)|total)$/.exec(text.trim());
    if (match === null)
      throw usage(`"${text}" is no budget`, 'Write it as "5 USDC per day" or "100 USDC total".');
    const { amount, unit } = await tokens.parse(match[1]!);
    const period = PERIODS[match[2]!]!;
    const budget = budgets.get(unit.token) ?? ({ token: unit.token as Budget["token"] } as Budget);
    if (budget[period] !== undefined) throw usage(`two budgets ${match[2]} in ${unit.symbol}`);
    budgets.set(unit.token, { ...budget, [period]: `${amount}` });
  }
  return [...budgets.values()];
}
