import { createReadStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import type { restoreBackup } from "../../node/backup/restore.ts";
import type { RestoreReport } from "../../node/backup/restoreReport.ts";
import type { Address } from "../../protocol/index.ts";
import { type WrittenConfig, writeBackedUp } from "../config/backedUp.ts";
import { chainOf, DATABASE, KEYSTORE } from "../config/nodeOptions.ts";
import { CliError, usage } from "../exitCodes.ts";
import { isThere } from "../files.ts";
import type { Run } from "../run.ts";
import { isInteractive, type Shell } from "../shell.ts";
import { short, timeText } from "../text.ts";

const EXAMPLE = `
Examples:
  $ rivulet restore node.backup --old-node-is-gone
  $ rivulet restore node.backup --old-node-is-gone --proof-copy ./proofs
  $ rivulet restore --mnemonic --old-node-is-gone --proof-copy ./proofs   # without a backup; asks for the words
  $ rivulet restore --mnemonic --old-node-is-gone < words.txt             # with RIVULET_PASSWORD, in a script

The old node must never run again: two nodes with one set of keys sign against each other, and the money in their
channels can be lost. After \`rivulet start\` the node asks its peers for its newest proofs and signs nothing before.
\`rivulet recovery\` then says what came back. A backup's settings are written to rivulet.toml if there is none, else to restored.toml in the data directory.
`;

interface RestoreCommandOptions {
  readonly oldNodeIsGone?: boolean;
  readonly mnemonic?: boolean;
}

export function registerRestore(program: Command, run: Run): void {
  program
    .command("restore")
    .argument("[file]", "a backup made by `rivulet backup`")
    .description("make a lost node again on this machine, and say what is proven, unknown and at risk")
    .option("--old-node-is-gone", "confirm that the old node will never run again")
    .option(
      "--mnemonic",
      "without a backup: from the words, typed or on stdin, and the chain and escrow of the settings",
    )
    .addHelpText("after", EXAMPLE)
    .action(run(restore));
}

async function restore(
  shell: Shell,
  file: string | undefined,
  options: RestoreCommandOptions,
): Promise<void> {
  const byWords = options.mnemonic === true;
  if (byWords === (file !== undefined))
    throw usage(
      "a node is restored from a backup or from its words",
      "Give the file, or --mnemonic without one.",
    );
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
  const target = {
    directory: join(dataDir, DATABASE),
    proofCopy,
    oldNodeIsGone: true,
    signal: shell.signal,
  };
  const { password, begin } = byWords ? await fromWords(shell, target) : await fromFile(shell, file!, target);
  const waiting = shell.wait("restoring …");
  const report = await begin();
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const { writeKeystore } = await import("../../crypto/index.ts");
  await writeKeystore(keystore, report.mnemonic, password);
  const config = await writeBackedUp(report.config, shell.configuration);
  waiting.done(byWords ? "restored from the words" : `restored the state of ${timeText(report.createdAt)}`);
  const { mnemonic: _, config: __, ...told } = report;
  shell.result({ ...told, keystore, configFile: config.file }, summary(shell, report, config));
}

/** Where it goes, and that the old node is gone. */
type Target = Omit<Parameters<typeof restoreBackup>[0], "file" | "password">;

interface Source {
  /** Of the new keystore. */
  readonly password: string;
  readonly begin: () => Promise<RestoreReport>;
}

async function fromFile(shell: Shell, path: string, target: Target): Promise<Source> {
  const password = shell.secrets.backupPassword ?? (await shell.password("Password of the backup"));
  const { restoreBackup } = await import("../../node/backup/restore.ts");
  return {
    password: await ownPassword(shell, password),
    begin: () => restoreBackup({ ...target, file: createReadStream(path), password }),
  };
}

async function fromWords(shell: Shell, target: Target): Promise<Source> {
  const { chainId } = chainOf(shell.settings);
  const { escrow } = shell.settings;
  if (escrow === undefined)
    throw usage("no escrow is configured", "Set chain.escrow to the contract the old node used.");
  const [{ parseMnemonic }, { restoreFromMnemonic }] = await Promise.all([
    import("../../crypto/index.ts"),
    import("../../node/backup/restore.ts"),
  ]);
  const mnemonic = parseMnemonic(await shell.words("The old node's words"));
  return {
    password: await shell.password("Password for the keystore on this machine", { again: true }),
    begin: () => restoreFromMnemonic({ ...target, mnemonic, chainId, escrow: escrow as Address }),
  };
}

/** What the keystore on this machine is encrypted under: where nobody can be asked, what the backup is. */
async function ownPassword(shell: Shell, fallback: string): Promise<string> {
  if (!shell.hasPassword && !isInteractive()) return fallback;
  return shell.password("Password for the keystore on this machine", { again: true });
}

const FROZEN = [
  "Spending is frozen: budgets stand where they stood, and tokens revoked since the backup are valid again. Look at",
  "`rivulet token list`, then `rivulet unfreeze`.",
];

function summary(
  shell: Shell,
  { channels, unknown, unusedCopies, account, createdAt }: RestoreReport,
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
      ...(createdAt === 0 ? [] : [["settings of the old node", config.told] as const]),
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
    ...(createdAt === 0 ? [] : FROZEN),
    "Next: `rivulet start`. The node waits up to an hour, meets its peers and takes its newest proofs back;",
    "`rivulet recovery` says what came back and what is at risk.",
  ].join("\n");
}
