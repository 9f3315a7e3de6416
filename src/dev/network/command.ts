import { join, resolve } from "node:path";
import { ZERO_ADDRESS } from "../../protocol/index.ts";
import { type DevNetwork, startNetwork } from "./network.ts";
import {
  describeNetwork,
  NETWORK_FILE,
  type NetworkDescription,
  removeNetworkFile,
  writeNetworkFile,
} from "./networkFile.ts";
import type { NetworkOptions } from "./networkOptions.ts";

export interface DevCommandOptions extends Omit<NetworkOptions, "onStep"> {
  /** Print the description as JSON, and nothing else. */
  readonly json?: boolean;
  /** Where the description is written. Default: `rivulet-dev.json` in the state directory or the working directory. */
  readonly file?: string;
}

/** Where the command writes: results to one, progress to the other. */
export interface DevOutput {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/**
 * `rivulet dev`: starts a network, says where everything is, and runs until `stop` aborts or Ctrl-C. A second Ctrl-C
 * ends the process at once. Rejects with `DevError`.
 */
export async function runDev(
  options: DevCommandOptions,
  output: DevOutput,
  stop?: AbortSignal,
): Promise<void> {
  const asked = new AbortController();
  const release = onInterrupt(asked, output);
  const signal = stop === undefined ? asked.signal : AbortSignal.any([stop, asked.signal]);
  const started = performance.now();
  try {
    const say = (line: string) => output.err(`${line}\n`);
    const network = await startNetwork({
      ...options,
      ...(!options.json && { onStep: (step) => say(`${step} …`) }),
    });
    try {
      await serve(network, options, output, (performance.now() - started) / 1000, signal);
    } finally {
      if (!options.json) say("stopping …");
      await network.close();
    }
  } finally {
    release();
  }
}

async function serve(
  network: DevNetwork,
  options: DevCommandOptions,
  { out }: DevOutput,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  const description = describeNetwork(network);
  const file = resolve(options.file ?? join(options.stateDirectory ?? ".", NETWORK_FILE));
  writeNetworkFile(file, description);
  try {
    out(options.json ? `${JSON.stringify(description)}\n` : forPeople(description, file, seconds));
    await aborted(signal);
  } finally {
    removeNetworkFile(file, description);
  }
}

/** Waits with the event loop kept awake: nothing else has to. */
function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve: done } = Promise.withResolvers<void>();
  const awake = setInterval(() => {}, 60_000);
  const end = () => {
    clearInterval(awake);
    done();
  };
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return promise;
}

function onInterrupt(asked: AbortController, { err }: DevOutput): () => void {
  const interrupt = () => {
    if (asked.signal.aborted) process.exit(130);
    err("\n");
    asked.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return () => {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  };
}

/** What a terminal shows. */
function forPeople(description: NetworkDescription, file: string, seconds: number): string {
  const { chain, contracts, accounts, nodes, channels } = description;
  const { escrow, usdc, token } = contracts;
  const pace =
    chain.blockTime === undefined ? "a block per transaction" : `a block every ${chain.blockTime} s`;
  const symbolOf = (address: string) =>
    address === ZERO_ADDRESS ? "ETH" : address === usdc.address ? usdc.symbol : token.symbol;
  const lines = [
    `Ready after ${seconds.toFixed(1)} s.`,
    "",
    "Chain",
    `  JSON-RPC  ${chain.rpcUrl}   chain id ${chain.chainId}, ${pace}`,
    `  escrow    ${escrow}`,
    `  ${usdc.symbol.padEnd(8)}  ${usdc.address}   ${usdc.decimals} decimals, EIP-2612, EIP-3009`,
    `  ${token.symbol.padEnd(8)}  ${token.address}   ${token.decimals} decimals`,
    "",
    "THE KEYS BELOW ARE PUBLIC: everybody has them. Whatever you send to these accounts on a real chain is stolen.",
    "",
    `Accounts for your application (mnemonic: ${description.mnemonic})`,
    ...accounts.map(({ index, address, privateKey }) => `  ${index}  ${address}  ${privateKey}`),
    "",
    "Nodes",
    ...nodes.flatMap(({ name, address, account, accountIndex, privateKey, signer, api }) => [
      `  ${name}`,
      ...(api ? [`    API      ${api.url}   docs at ${api.url}/docs`, `    token    ${api.token}`] : []),
      `    peer     ${address}`,
      `    signer   ${signer}`,
      `    account  ${account}  ${privateKey}  (account ${accountIndex})`,
    ]),
    "",
    "Channels",
    ...channels.map(
      ({ channelId, nodes: [opener, other], token: of }) =>
        `  ${channelId}  ${opener} – ${other}, ${symbolOf(of)}`,
    ),
    "",
    `All of this is in ${file} while the network runs. Ctrl-C stops it.`,
    "",
  ];
  return `${lines.join("\n")}`;
}
