import type { Command } from "commander";
import { save } from "../download.ts";
import { usage } from "../exitCodes.ts";
import type { Run } from "../run.ts";
import { parseTime } from "../when.ts";

interface ExportOptions {
  readonly format: string;
  readonly from?: string;
  readonly to?: string;
  readonly peer?: string;
  readonly in?: string;
  readonly label?: string;
  readonly out?: string;
  readonly force?: boolean;
}

export function registerExport(program: Command, run: Run): void {
  program
    .command("export")
    .description("a statement: JSON with the signed proofs as evidence, or CSV for a spreadsheet")
    .option("--format <format>", "json or csv", "json")
    .option("--from <date>", "from then on")
    .option("--to <date>", "before then")
    .option("--peer <signer>", "with this peer")
    .option("--in <token>", "in this token")
    .option("--label <text>", "payments with this label")
    .option("-o, --out <file>", "write there instead of stdout")
    .option("--force", "replace the file")
    .addHelpText(
      "after",
      "\nExamples:\n  $ rivulet export --from 2026-03-01 --to 2026-04-01 --out march.json\n  $ rivulet export --format csv > all.csv\n",
    )
    .action(
      run(async (shell, options: ExportOptions) => {
        const { format, from, to, peer, label, out } = options;
        if (format !== "json" && format !== "csv")
          throw usage(`"${format}" is no format`, "There are json and csv.");
        const response = await (await shell.client()).statement({
          query: {
            format,
            ...(from !== undefined && { from: parseTime(from) }),
            ...(to !== undefined && { to: parseTime(to) }),
            ...(peer !== undefined && { peer }),
            ...(options.in !== undefined && { token: (await (await shell.tokens()).find(options.in)).token }),
            ...(label !== undefined && { label }),
          },
        });
        await save(response, out, options.force === true, shell.signal);
        if (out !== undefined) shell.result({ file: out }, `written to ${out}`);
      }),
    );
}

export function registerBooks(program: Command, run: Run): void {
  program
    .command("books")
    .description("the trial balance per token, beside what channels and wallet hold")
    .addHelpText("after", "\nExample:\n  $ rivulet books\n")
    .action(
      run(async (shell) => {
        const [client, tokens] = [await shell.client(), await shell.tokens()];
        const { items } = await client.books();
        const parts: string[] = [];
        for (const { token, accounts, balanced } of items) {
          const rows: string[][] = [];
          for (const { account, balance } of accounts)
            rows.push([account, await tokens.show(balance, token)]);
          parts.push(
            `${shell.table(["account", "balance (debits positive)"], rows)}\n${balanced ? "balanced" : "NOT BALANCED"}`,
          );
        }
        shell.result({ items }, parts.join("\n\n"));
      }),
    );
}
