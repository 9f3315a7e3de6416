import { access, chmod, constants, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { input } from "@inquirer/prompts";
import type { Command } from "commander";
import { stringify } from "smol-toml";
import { chainPresets } from "../../chain/presets.ts";
import { accountOf } from "../account.ts";
import { KEYSTORE } from "../config/nodeOptions.ts";
import { DEFAULT_CONFIG_FILE, type Settings } from "../config/settings.ts";
import { CliError, usage } from "../exitCodes.ts";
import { isThere } from "../files.ts";
import type { Run } from "../run.ts";
import { isInteractive, type Shell } from "../shell.ts";

const EXAMPLE = `
Examples:
  $ rivulet init --chain-name sepolia --chain-rpc https://rpc.example --chain-escrow 0x…
  $ rivulet init --import words.txt          # take an existing mnemonic
  $ RIVULET_PASSWORD=… rivulet init --mnemonic-file words.txt --chain-name hardhat …   # in a script
`;

interface InitOptions {
  readonly config?: string;
  readonly import?: string;
  readonly mnemonicFile?: string;
}

export function registerInit(program: Command, run: Run): void {
  program
    .command("init")
    .description("make this node's keys and configuration; never overwrites either")
    .option("--import <file>", "take the mnemonic in this file instead of making one")
    .option("--mnemonic-file <file>", "write the new mnemonic there (0600) instead of showing it")
    .addHelpText("after", EXAMPLE)
    .action(
      run(async (shell, options: InitOptions, command: Command) => {
        const file =
          command.optsWithGlobals<InitOptions>().config ?? process.env.RIVULET_CONFIG ?? DEFAULT_CONFIG_FILE;
        await init(shell, options, file);
      }),
    );
}

async function init(shell: Shell, options: InitOptions, configFile: string): Promise<void> {
  const { dataDir } = shell.settings;
  const keystore = join(dataDir, KEYSTORE);
  if (await isThere(keystore)) {
    throw new CliError(`there are keys in ${keystore} already`, {
      action: "Nothing was changed. `rivulet keys` shows whose they are; --data-dir makes another node.",
    });
  }
  const chain = await chainSettings(shell);
  const made = options.import === undefined;
  const { deriveKeys, generateMnemonic, parseMnemonic, writeKeystore } = await import(
    "../../crypto/index.ts"
  );
  const mnemonic = made ? generateMnemonic() : parseMnemonic(await readFile(options.import!, "utf8"));
  // Whatever can fail comes before the words: once somebody wrote them down they have to be the right ones.
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await access(dataDir, constants.W_OK);
  const password = await shell.password("Password for the keystore", { again: true });
  await keepMnemonic(shell, mnemonic, made, options.mnemonicFile);
  await writeKeystore(keystore, mnemonic, password, { signal: shell.signal });
  const isWritten = await writeConfig(shell, configFile, chain);
  const account = await accountOf(deriveKeys(mnemonic).account);
  shell.result(
    { account, keystore, config: configFile, configWritten: isWritten },
    [
      "",
      shell.list([
        ["account", account],
        ["keystore", keystore],
        ["config", isWritten ? configFile : `${configFile} (was there, left as it is)`],
      ]),
      "",
      `Next: send the account some of the chain's coin for gas and deposits, then \`rivulet start\`.`,
    ].join("\n"),
  );
}

interface ChainSettings {
  readonly name: string;
  readonly rpc: readonly string[];
  readonly escrow: string;
}

/** From flags, environment or file; asked for on a terminal. */
async function chainSettings(shell: Shell): Promise<ChainSettings> {
  const { chain, rpc, escrow } = shell.settings;
  const names = chainPresets()
    .map(({ name }) => name)
    .join(", ");
  const ask = async (value: string | undefined, key: string, message: string) => {
    if (value !== undefined && value !== "") return value;
    if (!isInteractive())
      throw usage(`${key} is not set and nobody can be asked`, `Give --${key.replace(/[._]/g, "-")}.`);
    return input({ message, required: true }, { output: process.stderr, signal: shell.signal });
  };
  const name = await ask(chain, "chain.name", `Chain (${names}, or a chain id)`);
  const urls = await ask(rpc.join(","), "chain.rpc", "RPC server's URL (several with commas)");
  const address = await ask(escrow, "chain.escrow", "Escrow contract's address");
  if (!/^0x[0-9a-fA-F]{40}$/.test(address)) throw usage(`"${address}" is no address`);
  return { name, rpc: urls.split(",").map((url) => url.trim()), escrow: address.toLowerCase() };
}

/** Whoever has the words has the money; whoever loses them and the disk has none. */
async function keepMnemonic(
  shell: Shell,
  mnemonic: string,
  made: boolean,
  file: string | undefined,
): Promise<void> {
  if (!made) return;
  if (file !== undefined) {
    await writeFile(file, `${mnemonic}\n`, { mode: 0o600, flag: "wx" });
    await chmod(file, 0o600);
    shell.note(`The mnemonic is in ${file}. Move it to where nobody else can read it.`);
    return;
  }
  if (!isInteractive()) {
    throw usage(
      "the new mnemonic can be shown to nobody here",
      "Give --mnemonic-file, or --import an existing one.",
    );
  }
  shell.note(
    `\nThese words are the only way to your money if this machine is lost. Write them down:\n\n  ${mnemonic}\n`,
  );
  const words = mnemonic.split(" ");
  const at = words.length - 1;
  await input(
    {
      message: `To be sure: what is word ${at + 1}?`,
      validate: (typed) =>
        typed.trim().toLowerCase() === words[at] || "That is another word; look at the last one above.",
    },
    { output: process.stderr, signal: shell.signal },
  );
}

/** False if there was one. */
async function writeConfig(shell: Shell, file: string, chain: ChainSettings): Promise<boolean> {
  if (await isThere(file)) return false;
  const content = configText(shell.settings, chain);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  // It names RPC servers, whose URLs may hold keys.
  await writeFile(file, content, { mode: 0o600, flag: "wx" });
  return true;
}

function configText({ dataDir }: Settings, chain: ChainSettings): string {
  const head =
    "# Settings of a Rivulet node. `rivulet config` shows all there are, and where each value comes from.\n\n";
  return `${head}${stringify({ data_dir: resolve(dataDir), chain })}\n`;
}
