import type { Command } from "commander";
import { parseDestination } from "../destination.ts";
import { usage } from "../exitCodes.ts";
import { endText, type OperationOptions, operate, operation, quoteFor, stepText } from "../operation.ts";
import type { Run } from "../run.ts";
import type { Shell } from "../shell.ts";

const EXAMPLE = `
Examples:
  $ rivulet send "0.5 ETH" --to 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed
  $ rivulet send "all USDC" --to 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed
  $ rivulet send "all ETH" --to 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed   # leaves the gas, and what disputes may need

It sends from the account, not from a channel: close or withdraw first. Nobody can take it back.
`;

interface SendOptions extends OperationOptions {
  readonly to: string;
  readonly force?: boolean;
}

export function registerSend(program: Command, run: Run): void {
  operation(program.command("send"))
    .argument("<amount>", 'for example "0.5 ETH", or "all USDC"')
    .requiredOption("--to <address>", "where to; with letters of both cases its checksum is checked")
    .description("send money of the account to an address")
    .option("--force", "leave less in the account than disputes of the channels may need")
    .addHelpText("after", EXAMPLE)
    .action(
      run(async (shell, text: string, options: SendOptions) => {
        const { to, shown: place } = await parseDestination(options.to);
        const [client, tokens] = [await shell.client(), await shell.tokens()];
        const { amount, token } = await amountOf(shell, text);
        shell.token = token;
        const body = { to, token, amount, force: options.force === true };
        const order = { kind: "send" as const, ...body };
        const known = amount === "all" ? (await quoteFor(shell, order, options))?.amount : amount;
        const shown =
          known === undefined ? (await tokens.unit(token)).symbol : await tokens.show(known, token);
        const what = `Send ${amount === "all" ? `everything, now ${shown},` : shown} to ${place}`;
        const done = await operate(
          shell,
          what,
          order,
          (idempotencyKey) => client.send({ body, idempotencyKey }),
          options,
        );
        const sent = done.transaction !== undefined && done.amount !== undefined;
        shell.result(
          done,
          await endText(
            shell,
            sent ? `sent ${await tokens.show(done.amount!, token)}: ${done.transaction}` : stepText(done),
            done,
          ),
        );
      }),
    );
}

/** `0.5 ETH`, or `all USDC`. */
async function amountOf(
  shell: Shell,
  text: string,
): Promise<{ readonly amount: bigint | "all"; readonly token: string }> {
  const tokens = await shell.tokens();
  const all = /^all(?:\s+(\S.*))?$/i.exec(text.trim());
  if (all === null) {
    const { amount, unit } = await tokens.parse(text);
    return { amount, token: unit.token };
  }
  if (all[1] === undefined) throw usage("all of which token?", 'Write it as "all USDC".');
  return { amount: "all", token: (await tokens.find(all[1])).token };
}
