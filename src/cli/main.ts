#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { VERSION } from "../api/version.ts";
import { registerBackup } from "./commands/backup.ts";
import { registerChannels, registerMoves, registerOpen, registerOperations } from "./commands/channels.ts";
import { registerConfig } from "./commands/config.ts";
import { registerDev } from "./commands/dev.ts";
import { registerDoctor } from "./commands/doctor.ts";
import { registerEvents } from "./commands/events.ts";
import { registerBooks, registerExport } from "./commands/export.ts";
import { registerInit } from "./commands/init.ts";
import { registerKeys } from "./commands/keys.ts";
import { registerFreeze, registerLimits } from "./commands/limits.ts";
import { registerPay, registerPayments, registerRequest } from "./commands/pay.ts";
import { registerRecovery } from "./commands/recovery.ts";
import { registerRepair } from "./commands/repair.ts";
import { registerRestore } from "./commands/restore.ts";
import { registerSend } from "./commands/send.ts";
import { registerStart } from "./commands/start.ts";
import { registerPeers, registerStatus } from "./commands/status.ts";
import { registerToken } from "./commands/token.ts";
import { registerVerifyStatement } from "./commands/verifyStatement.ts";
import { registerWithdrawPayout } from "./commands/withdrawPayout.ts";
import { flagOf, SETTINGS } from "./config/settings.ts";
import { EXIT } from "./exitCodes.ts";
import { runner } from "./run.ts";

const AFTER = `
Every command has its own --help with examples. Settings come from flags, RIVULET_* variables, rivulet.toml and
defaults, in this order; \`rivulet config\` shows them. Exit codes: 0 done, 1 refused, 2 typed wrong, 3 no node
answers, 4 money may be at stake, 5 a check found something, 6 the node stopped by itself: start it again.
`;

/** The whole command line. `signal` is aborted by Ctrl-C. */
export function createProgram(signal: AbortSignal): Command {
  const program = new Command("rivulet")
    .description("Payments of any size at next to no cost, over payment channels.")
    .version(VERSION)
    .option("--json", "results as JSON on stdout")
    .option("-y, --yes", "agree to everything that would be asked")
    .option("--no-color", "no colours (NO_COLOR does the same)")
    .option("--config <file>", "configuration file")
    .option("--url <url>", "the node's API (default: the one of the data directory)")
    .option("--token <secret>", "access token (default: RIVULET_TOKEN, or the data directory's)")
    .addHelpText("after", AFTER)
    .showSuggestionAfterError()
    .enablePositionalOptions(false)
    .configureOutput({ outputError: (text, write) => write(asJson() ? toldAsJson(text) : text) })
    .exitOverride();
  for (const { key, help } of Object.values(SETTINGS)) program.option(`--${flagOf(key)} <value>`, help);
  const run = runner(program, signal);
  for (const register of REGISTER) register(program, run);
  return program;
}

const REGISTER = [
  registerInit,
  registerStart,
  registerStatus,
  registerPeers,
  registerChannels,
  registerOpen,
  registerMoves,
  registerSend,
  registerWithdrawPayout,
  registerOperations,
  registerPay,
  registerRequest,
  registerPayments,
  registerEvents,
  registerExport,
  registerVerifyStatement,
  registerBooks,
  registerToken,
  registerLimits,
  registerFreeze,
  registerBackup,
  registerRepair,
  registerRestore,
  registerRecovery,
  registerKeys,
  registerConfig,
  registerDoctor,
  registerDev,
];

/** Known from the words alone: what cannot be parsed has no options yet. */
function asJson(): boolean {
  return process.argv.includes("--json");
}

function toldAsJson(text: string): string {
  const message = text.replace(/^error: /, "").trim();
  return `${JSON.stringify({ error: { code: "usage", message, moneyAtStake: false } })}\n`;
}

/** The oldest Node.js that works; `engines` of the package says the same. */
const LEAST_NODE = [22, 13] as const;

function isTooOld(version: string): boolean {
  const [major, minor] = version.split(".").map(Number) as [number, number];
  return major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1]);
}

async function main(): Promise<void> {
  if (isTooOld(process.versions.node)) {
    process.stderr.write(
      `error: Node.js ${process.versions.node} is too old; install ${LEAST_NODE.join(".")} or newer\n`,
    );
    process.exitCode = EXIT.usage;
    return;
  }
  const interrupt = new AbortController();
  const onSignal = () => {
    // The second one leaves at once: everything that matters is on disk before it is told.
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort(new DOMException("interrupted", "AbortError"));
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    await createProgram(interrupt.signal).parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  // Keep-alive connections of the client must not hold the process.
  if (interrupt.signal.aborted) process.exit(process.exitCode ?? EXIT.interrupted);
}

await main();
