import { join } from "node:path";
import type { Command } from "commander";
import { accountOf } from "../account.ts";
import { KEYSTORE } from "../config/nodeOptions.ts";
import { unlock } from "../keystore.ts";
import type { Run } from "../run.ts";

const EXAMPLE = `
Examples:
  $ rivulet keys
  $ rivulet keys change-password
  $ rivulet keys show-mnemonic
`;

export function registerKeys(program: Command, run: Run): void {
  const keys = program
    .command("keys")
    .description("whose keys these are; a new password; the mnemonic")
    .addHelpText("after", EXAMPLE)
    .action(
      run(async (shell) => {
        const { mnemonic } = await unlock(shell);
        const { deriveKeys } = await import("../../crypto/index.ts");
        const derived = deriveKeys(mnemonic);
        const [account, signer] = [await accountOf(derived.account), await accountOf(derived.signer)];
        shell.result(
          { account, signer },
          shell.list([
            ["account", `${account} (owns deposits, pays gas)`],
            ["signer", `${signer} (signs payments; what others pay to)`],
          ]),
        );
      }),
    );
  keys
    .command("change-password")
    .description("encrypt the keystore with another password")
    .action(
      run(async (shell) => {
        const { mnemonic } = await unlock(shell);
        const next =
          shell.secrets.newPassword ?? (await shell.newPassword("New password", "Set RIVULET_NEW_PASSWORD."));
        const { writeKeystore } = await import("../../crypto/index.ts");
        await writeKeystore(join(shell.settings.dataDir, KEYSTORE), mnemonic, next, { replace: true });
        shell.result(
          { changed: true },
          "The keystore has the new password. Copies of the old file keep the old one.",
        );
      }),
    );
  keys
    .command("show-mnemonic")
    .description("show the words that are the money")
    .action(
      run(async (shell) => {
        await shell.confirm("Whoever sees these words can take all of this node's money. Show them?");
        const { mnemonic } = await unlock(shell);
        shell.result({ mnemonic }, mnemonic);
      }),
    );
}
