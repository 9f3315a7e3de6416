import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Command } from "commander";
import type { AskChain } from "../../node/books/verify.ts";
import type { Address } from "../../protocol/index.ts";
import { EXIT, usage } from "../exitCodes.ts";
import type { Run } from "../run.ts";
import type { Shell } from "../shell.ts";
import { timeText } from "../text.ts";

const EXAMPLE = `
Examples:
  $ rivulet verify-statement march.json
  $ rivulet verify-statement march.json --chain-rpc https://rpc.example    # what the chain moved too

Needs no node and no keys. Exit code 5: something in it is not true.
`;

export function registerVerifyStatement(program: Command, run: Run): void {
  program
    .command("verify-statement")
    .argument("<file>", "a statement as JSON, from `rivulet export`")
    .description("check a statement against its proofs, its history and the chain")
    .addHelpText("after", EXAMPLE)
    .action(run(verify));
}

async function verify(shell: Shell, file: string): Promise<void> {
  if (!(await stat(file)).isFile()) throw usage(`${file} is no file`);
  const [{ createCrypto }, { verifyStatement }] = await Promise.all([
    import("../../crypto/index.ts"),
    import("../../node/books/verify.ts"),
  ]);
  const crypto = await createCrypto();
  const waiting = shell.wait("checking …");
  const chain = await chainOf(shell, file);
  const report = await verifyStatement(createReadStream(file), {
    crypto,
    chain,
    onProgress: ({ channels, payments }) => waiting.say(`checked ${channels} channels, ${payments} payments`),
  });
  waiting.stop();
  const { valid, findings, more, node, channels, payments, chainChecked, totals } = report;
  const lines = findings.map(
    ({ code, message, channelId }) => `  ${code}: ${message}${channelId ? ` (${channelId})` : ""}`,
  );
  if (more > 0) lines.push(`  and ${more} more`);
  const head = valid ? "valid: everything in it is proven" : "NOT VALID";
  shell.result(
    { valid, findings, more, node, channels, payments, chainChecked, totals },
    [
      head,
      ...lines,
      shell.list([
        ["of", node === undefined ? "nobody" : `${node.signer}, made ${timeText(node.madeAt / 1000)}`],
        ["channels", `${channels}`],
        ["payments", `${payments}`],
        [
          "deposits, settlements, refused payouts",
          chainChecked ? "compared with the chain" : "not compared: give --chain-rpc",
        ],
      ]),
    ].join("\n"),
  );
  if (!valid) process.exitCode = EXIT.found;
}

/** The chain and escrow are the statement's own: whether they are the right ones is shown, and yours to judge. */
async function chainOf({ settings, signal }: Shell, file: string): Promise<AskChain | undefined> {
  const [rpcUrl] = settings.rpc;
  if (rpcUrl === undefined) return undefined;
  let head = "";
  for await (const piece of createReadStream(file, { encoding: "utf8", end: 64 * 1024 })) head += piece;
  const chainId = /"chainId":"([0-9]+)"/.exec(head)?.[1];
  const escrow = /"escrow":"(0x[0-9a-f]{40})"/.exec(head)?.[1];
  if (chainId === undefined || escrow === undefined) return undefined;
  const { askChain } = await import("../../node/books/chainEvidence.ts");
  return askChain({
    rpcUrl,
    chainId: BigInt(chainId),
    escrow: escrow as Address,
    escrowBlock: settings.escrowBlock,
    signal,
  });
}
