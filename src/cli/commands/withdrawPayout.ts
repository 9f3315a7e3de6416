import type { Command } from "commander";
import { parseDestination } from "../destination.ts";
import { endText, type OperationOptions, operate, operation, stepText } from "../operation.ts";
import type { Run } from "../run.ts";

const EXAMPLE = `
Examples:
  $ rivulet withdraw-payout USDC
  $ rivulet withdraw-payout USDC --to 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed   # while the token blocks the account

When a token or the account refuses what a close or a withdrawal pays, the escrow keeps it; \`rivulet status\` shows it.
`;

interface WithdrawPayoutOptions extends OperationOptions {
  readonly to?: string;
  readonly force?: boolean;
}

export function registerWithdrawPayout(program: Command, run: Run): void {
  operation(program.command("withdraw-payout"))
    .argument("<token>", "symbol or address")
    .option(
      "--to <address>",
      "another address than the account; with letters of both cases its checksum is checked",
    )
    .option("--force", "leave less in the account than disputes of the channels may need")
    .description("fetch what the escrow keeps because its payout was refused")
    .addHelpText("after", EXAMPLE)
    .action(
      run(async (shell, text: string, options: WithdrawPayoutOptions) => {
        const elsewhere = options.to === undefined ? undefined : await parseDestination(options.to);
        const [client, tokens] = [await shell.client(), await shell.tokens()];
        const { token, symbol } = await tokens.find(text);
        const { payouts } = await client.status();
        const waiting = payouts.find((payout) => payout.token === token)?.amount;
        const body = { token, force: options.force === true, ...(elsewhere && { to: elsewhere.to }) };
        const amount =
          waiting === undefined ? `what the escrow keeps in ${symbol}` : await tokens.show(waiting, token);
        const done = await operate(
          shell,
          `Fetch ${amount} from the escrow to ${elsewhere?.shown ?? "the account"}`,
          { kind: "withdrawPayout", ...body },
          (idempotencyKey) => client.withdrawPayout({ body, idempotencyKey }),
          options,
        );
        const fetched = done.transaction !== undefined && done.amount !== undefined;
        const end = fetched
          ? `fetched ${await tokens.show(done.amount!, token)}: ${done.transaction}`
          : stepText(done);
        shell.result(done, await endText(shell, end, done));
      }),
    );
}
