import type { Command } from "commander";
import { save } from "../download.ts";
import { usage } from "../exitCodes.ts";
import { passwordIn } from "../files.ts";
import type { Run } from "../run.ts";
import type { Shell } from "../shell.ts";

/** The API takes no shorter one. */
const LEAST_PASSWORD = 8;

export function registerBackup(program: Command, run: Run): void {
  program
    .command("backup")
    .description("one encrypted file with everything a new machine needs")
    .requiredOption("-o, --out <file>", "where to write it")
    .option("--backup-password-file <file>", "file with its password (or RIVULET_BACKUP_PASSWORD)")
    .option("--force", "replace the file")
    .addHelpText(
      "after",
      `
Example:
  $ rivulet backup --out node.backup

It asks for the keystore's password, as \`rivulet start\` does, since the file holds the mnemonic; and for one of its own.
`,
    )
    .action(
      run(async (shell, options: { out: string; backupPasswordFile?: string; force?: boolean }) => {
        const keystorePassword = await shell.passwordForNode();
        const password = await backupPassword(shell, options.backupPasswordFile);
        const response = await (await shell.client()).backup({ body: { password, keystorePassword } });
        await save(response, options.out, options.force === true, shell.signal);
        shell.result({ file: options.out }, `written to ${options.out}; keep its password somewhere else`);
      }),
    );
}

async function backupPassword(shell: Shell, file: string | undefined): Promise<string> {
  const elsewhere = "Set RIVULET_BACKUP_PASSWORD, or give --backup-password-file.";
  const given = shell.secrets.backupPassword ?? (file === undefined ? undefined : await passwordIn(file));
  if (given === undefined) return shell.newPassword("Password for the backup", elsewhere, LEAST_PASSWORD);
  if (given.length < LEAST_PASSWORD)
    throw usage(`the backup's password needs ${LEAST_PASSWORD} or more characters`, elsewhere);
  return given;
}
