import { join } from "node:path";
import { KEYSTORE } from "./config/nodeOptions.ts";
import type { Settings } from "./config/settings.ts";
import { CliError, usage } from "./exitCodes.ts";
import { isThere } from "./files.ts";
import type { Shell } from "./shell.ts";

/** Opens this data directory's keystore for whoever gives its password. */
export function openKeystore({ dataDir }: Settings) {
  return async (password: string, signal: AbortSignal): Promise<string | undefined> =>
    (await (await import("../crypto/index.ts")).readKeystore(join(dataDir, KEYSTORE), password, { signal }))
      .mnemonic;
}

/** The node's mnemonic, out of its keystore. Asks for the password. */
export async function unlock(
  shell: Shell,
): Promise<{ readonly mnemonic: string; readonly password: string }> {
  const path = join(shell.settings.dataDir, KEYSTORE);
  const missing = () =>
    new CliError(`there are no keys in ${path}`, { action: "`rivulet init` makes them." });
  if (!(await isThere(path))) throw missing();
  const password = await shell.password("Password of the keystore");
  try {
    const { readKeystore } = await import("../crypto/index.ts");
    const { mnemonic } = await readKeystore(path, password, { signal: shell.signal });
    if (mnemonic === undefined) throw new CliError(`${path} holds a lone key; a node needs a mnemonic`);
    return { mnemonic, password };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "missing") throw missing();
    if (code === "wrong_password") {
      const { passwordFrom } = shell;
      const action = passwordFrom === undefined ? "Type it again." : `Look at ${passwordFrom}.`;
      throw usage(`the password does not fit ${path}`, action);
    }
    throw error;
  }
}
