import { rm } from "node:fs/promises";
import type { Command } from "commander";
import { type Logger, pino } from "pino";
import { PinoPretty } from "pino-pretty";
import type { Daemon } from "../../api/daemon.ts";
import { VERSION } from "../../api/version.ts";
import { type ChainFailure, failureOf } from "../../chain/error.ts";
import { backedUpConfig } from "../config/backedUp.ts";
import { apiOptionsOf, nodeOptionsOf, peerTlsOf } from "../config/nodeOptions.ts";
import type { Settings } from "../config/settings.ts";
import { daemonFileIn, writeDaemonFile } from "../daemonFile.ts";
import { CliError, EXIT, usage } from "../exitCodes.ts";
import { openKeystore, unlock } from "../keystore.ts";
import type { Run } from "../run.ts";
import type { Shell } from "../shell.ts";

const EXAMPLE = `
Examples:
  $ rivulet start
  $ RIVULET_PASSWORD=… rivulet start --log-format json     # as a service
  $ rivulet start --api-port 0 --peers-listen /ip4/127.0.0.1/tcp/0

Ctrl-C stops it: nothing is cut off in the middle. A second Ctrl-C leaves at once; that is safe, only slower to start.
`;

/** Paths of log entries that may hold a secret. URLs of RPC servers are not logged at all. */
const REDACTED = [
  "password",
  "mnemonic",
  "token",
  "secret",
  "authorization",
  "*.password",
  "*.mnemonic",
  "*.secret",
];

export function registerStart(program: Command, run: Run): void {
  program
    .command("start")
    .description("run the node and its API until it is stopped")
    .addHelpText("after", EXAMPLE)
    .action(run(start));
}

/** Asked to stop it ends well, however far it had come. */
async function start(shell: Shell): Promise<void> {
  try {
    await runNode(shell);
  } catch (error) {
    if ((error as { name?: string }).name !== "AbortError") throw error;
    shell.note("stopped while it started: nothing was begun");
    process.exitCode = EXIT.ok;
  }
}

async function runNode(shell: Shell): Promise<void> {
  const { settings } = shell;
  const { mnemonic } = await unlock(shell);
  const log = loggerOf(settings);
  const options = {
    node: {
      ...nodeOptionsOf(settings, mnemonic, log),
      ...(await peerTlsOf(settings)),
      signal: shell.signal,
    },
    api: await apiOptionsOf(settings),
    version: VERSION,
    backup: { openKeystore: openKeystore(settings), config: backedUpConfig(shell.configuration) },
  };
  const waiting = shell.wait("starting: database, chain, peers …");
  const file = daemonFileIn(settings.dataDir);
  const warned: string[] = [];
  let listens = false;
  let daemon: Daemon;
  try {
    // Only here: everything a node needs takes a second to load, and most commands only ask one.
    const { startDaemon } = await import("../../api/daemon.ts");
    daemon = await startDaemon({
      ...options,
      onListening: async ({ url, node }) => {
        node.on("warning", ({ code }) => {
          warned.push(code);
          if (warned.length > 10) warned.shift();
        });
        await writeDaemonFile(settings.dataDir, url);
        listens = true;
        waiting.say(`starting: the API is at ${url}; waiting for the chain …`);
      },
    });
  } catch (error) {
    waiting.stop();
    if (listens) await rm(file, { force: true });
    throw startFailure(error, settings);
  }
  waiting.done(`the node runs; its API is at ${daemon.url}`);
  const { account, signer, addresses } = daemon.node;
  shell.result(
    { url: daemon.url, account, signer, addresses, pid: process.pid },
    shell.list([
      ["account", account],
      ["signer", signer],
      ...addresses.map((address, at) => [at === 0 ? "peers reach it at" : "", address] as const),
    ]),
  );
  try {
    await ended(shell, daemon, warned);
  } finally {
    await rm(file, { force: true });
  }
}

/** Until Ctrl-C, SIGTERM, a call of the API, or a failure after which nothing may be signed. */
async function ended(shell: Shell, daemon: Daemon, warned: readonly string[]): Promise<void> {
  let asked = shell.signal.aborted;
  const stop = () => {
    asked = true;
    shell.note("stopping: running calls end first …");
    void daemon.stop();
  };
  if (asked) stop();
  else shell.signal.addEventListener("abort", stop, { once: true });
  await daemon.ended;
  if (asked || daemon.stopWanted) {
    shell.note("stopped");
    process.exitCode = EXIT.ok;
    return;
  }
  throw new CliError(`the node stopped by itself: ${warned.at(-1) ?? "see its log"}`, {
    exitCode: EXIT.stoppedByItself,
    action:
      "Nothing more was signed. Look at the log, free the disk if it is full, and start it again soon: a node that is down answers no cheat.",
  });
}

function loggerOf({ logLevel, logFormat }: Settings): Logger {
  const options = { level: logLevel, redact: { paths: REDACTED, censor: "[redacted]" } };
  const isPretty = logFormat === "pretty" || (logFormat === "auto" && process.stderr.isTTY === true);
  // To stderr: stdout is for results.
  return isPretty
    ? pino(options, PinoPretty({ destination: 2, sync: true, ignore: "pid,hostname" }))
    : pino(options, pino.destination({ dest: 2, sync: true }));
}

const HINTS: Readonly<Record<string, string>> = {
  database_locked: "Another node runs over this data directory. Stop it, or choose another with --data-dir.",
  address_in_use: "Stop the program that listens there, or choose another port with --api-port.",
  listen_failed: "Stop the program that listens there, or correct peers.listen.",
  database_damaged:
    "`rivulet restore` from a backup with copies of proofs loses least; `rivulet repair` carries over what can be read.",
  database_newer: "Use the newer version that wrote it; your channels need a running node.",
};

/** Why the system lets nobody listen at an address: those of peers come as `listen_failed`. */
const UNHEARD: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "ENOTFOUND", "EACCES", "EAI_AGAIN"]);

/** What the chain's servers said, in words. */
function chainFailure(failure: ChainFailure | undefined): CliError | undefined {
  const action = "Nothing was signed. Correct chain.name, chain.rpc or chain.escrow.";
  if (failure?.code === "wrong_chain")
    return new CliError(`chain.rpc is of chain ${failure.actual}, not ${failure.expected}`, { action });
  if (failure?.code === "contract_missing")
    return new CliError(`there is no escrow at ${failure.address} on this chain`, { action });
  return undefined;
}

function startFailure(error: unknown, { api }: Settings): unknown {
  const ofChain = chainFailure(failureOf(error));
  if (ofChain !== undefined) return ofChain;
  const { code, message, moneyAtStake } = error as { code?: string; message: string; moneyAtStake?: boolean };
  const { syscall } = error as { syscall?: string };
  if (code !== undefined && UNHEARD.has(code) && (syscall === "listen" || syscall === "getaddrinfo"))
    return usage(
      `the API cannot listen at ${api.host}, port ${api.port} (${code})`,
      "Correct api.host and api.port.",
    );
  if (code === "option_invalid" || code === "remote_refused") return usage(message, "Correct the setting.");
  const action = code === undefined ? undefined : HINTS[code];
  if (action === undefined) return error;
  return new CliError(message, { action, code, exitCode: moneyAtStake ? EXIT.moneyAtStake : EXIT.failed });
}
