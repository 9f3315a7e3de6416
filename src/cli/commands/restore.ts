import { createReadStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { writeKeystore } from "../../crypto/index.ts";
import { type RestoreReport, restoreBackup } from "../../node/backup/restore.ts";
import { type WrittenConfig, writeBackedUp } from "../config/backedUp.ts";
import { DATABASE, KEYSTORE } from "../config/nodeOptions.ts";
import { CliError } from "../exitCodes.ts";
import { isThere } from "../files.ts";
import type { Run } from "../run.ts";
import { isInteractive, type Shell } from "../shell.ts";
import { short, timeText } from "../text.ts";

const EXAMPLE = `
Examples:
  $ rivulet restore node.backup --old-node-is-gone
  $ rivulet restore node.backup --old-node-is-gone --proof-copy ./proofs

The old node must never run again: two nodes with one set of keys sign against each other, and the money in their
channels can be lost. After \`rivulet start\` the node asks its peers for its newest proofs and signs nothing before.
The old node's settings are written to rivulet.toml if there is none, else to restored.toml in the data directory.
`;

interface RestoreCommandOptions {
  readonly oldNodeIsGone?: boolean;
}

export function registerRestore(program: Command, run: Run): void {
  program
    .command("restore")
    .argument("<file>", "a backup made by `rivulet backup`")
    .description("make a lost node again on this machine, and say what is proven, unknown and at risk")
    .option("--old-node-is-gone", "confirm that the old node will never run again")
    .addHelpText("after", EXAMPLE)
    .action(run(restore));
}

async function restore(shell: Shell, file: string, options: RestoreCommandOptions): Promise<void> {
  const { dataDir, proofCopy } = shell.settings;
  const keystore = join(dataDir, KEYSTORE);
  for (const path of [keystore, join(dataDir, DATABASE)]) {
    if (await isThere(path)) {
      throw new CliError(`${path} is there already`, {
        action: "Choose an empty directory with --data-dir.",
      });
    }
  }
  if (options.oldNodeIsGone !== true) {
    throw new CliError("a node may be restored only once the old one is gone for good", {
      action: "If it is, add --old-node-is-gone. Two nodes with the same keys lose money.",
    });
  }
  const backupPassword =
    process.env.RIVULET_BACKUP_PASSWORD ?? (await shell.password("Password of the backup"));
  const password = await ownPassword(shell, backupPassword);
  const waiting = shell.wait("restoring …");
  const report = await restoreBackup({
    file: createReadStream(file),
    password: backupPassword,
    directory: join(dataDir, DATABASE),
    proofCopy,
    oldNodeIsGone: true,
    signal: shell.signal,
  });
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await writeKeystore(keystore, report.mnemonic, password);
  const config = await writeBackedUp(report.config, shell.configuration);
  waiting.done(`restored the state of ${timeText(report.createdAt)}`);
  const { mnemonic: _, config: __, ...told } = report;
  shell.result({ ...told, keystore, configFile: config.file }, summary(shell, report, config));
}

/** What the keystore on this machine is encrypted under: where nobody can be asked, what the backup is. */
async function ownPassword(shell: Shell, fallback: string): Promise<string> {
  const isSet = process.env.RIVULET_PASSWORD !== undefined || shell.settings.passwordFile !== undefined;
  if (!isSet && !isInteractive()) return fallback;
  return shell.password("Password for the keystore on this machine", { again: true });
}

function summary(
  shell: Shell,
  { channels, unknown, unusedCopies, account }: RestoreReport,
  config: WrittenConfig,
): string {
  const rows = channels.map(({ channelId, peer, token, phase, proof, provenThrough, atRisk }) => [
    short(channelId),
    short(peer),
    short(token),
    phase,
    `${proof}, ${timeText(provenThrough)}`,
    `${atRisk}`,
  ]);
  return [
    shell.list([
      ["account", account],
      ["settings of the old node", config.told],
      ["channels", `${channels.length}`],
    ]),
    "",
    rows.length === 0
      ? ""
      : shell.table(["channel", "peer", "token", "phase", "proven by", "at risk (base units)"], rows),
    "",
    "What cannot be known yet:",
    ...unknown.map(({ text }) => `  ${text}`),
    ...unusedCopies.map(({ name, reason }) => `  ${name} was not used: ${reason}`),
    "",
    "Spending is frozen: budgets stand where they stood, and tokens revoked since the backup are valid again. Look at",
    "`rivulet token list`, then `rivulet unfreeze`.",
    "Next: `rivulet start`. The node meets its peers, takes its newest proofs back, and says when that is done.",
  ].join("\n");
}
