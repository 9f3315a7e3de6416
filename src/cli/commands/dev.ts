import { type Command, InvalidArgumentError } from "commander";
import { CliError, EXIT, usage } from "../exitCodes.ts";
import type { Run } from "../run.ts";

const EXAMPLE = `
Examples:
  $ rivulet dev
  $ rivulet dev --nodes 5 --block-time 2
  $ rivulet dev --state .rivulet        # the same chain and channels again next time
`;

interface DevOptions {
  readonly nodes?: number;
  readonly blockTime?: number;
  readonly state?: string;
  readonly port?: number;
}

export function registerDev(program: Command, run: Run): void {
  program
    .command("dev")
    .description("a whole network for development: chain, escrow, tokens, nodes with open channels")
    .option("--nodes <count>", "how many nodes", wholeNumber, 3)
    .option(
      "--block-time <seconds>",
      "mine every so many seconds; a block per transaction by default",
      wholeNumber,
    )
    .option("--state <dir>", "keep chain and nodes there")
    .option("--port <port>", "where the chain listens; 0: the system chooses all ports", wholeNumber)
    .addHelpText("after", EXAMPLE)
    .action(
      run(async (shell, { nodes, blockTime, state, port }: DevOptions) => {
        const { runDev } = await loadDev();
        await runDev(
          {
            json: shell.json,
            ...(nodes !== undefined && { nodes }),
            ...(blockTime !== undefined && { blockTime }),
            ...(state !== undefined && { stateDirectory: state }),
            ...(port !== undefined && { port }),
          },
          { out: (text) => process.stdout.write(text), err: (text) => process.stderr.write(text) },
          shell.signal,
        ).catch(typedWrong);
        process.exitCode = EXIT.ok;
      }),
    );
}

/** Hardhat is an optional dependency: operators do not need it. */
async function loadDev() {
  try {
    return await import("../../dev/network/command.ts");
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new CliError("`rivulet dev` needs Hardhat, which is not installed", {
      action: "npm install --save-dev hardhat",
    });
  }
}

function typedWrong(error: unknown): never {
  const { code, message } = error as { code?: string; message: string };
  throw code === "option_invalid" ? usage(message) : error;
}

function wholeNumber(text: string): number {
  if (!/^[0-9]+$/.test(text)) throw new InvalidArgumentError("a whole number is wanted");
  return Number(text);
}
