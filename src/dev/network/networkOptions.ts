import { MAX_NODES } from "../accounts.ts";
import { DevError } from "../error.ts";

export const DEFAULT_NODES = 3;

/** Where pages under development come from: the usual ports of the usual servers. */
export const DEFAULT_ORIGINS: readonly string[] = [3000, 4173, 4200, 5173, 8080].flatMap((port) => [
  `http://localhost:${port}`,
  `http://127.0.0.1:${port}`,
]);

/** Seconds between blocks, at most: a day. */
const MAX_BLOCK_TIME = 86_400;

export interface NetworkOptions {
  /** How many nodes, 1 to 16. Default 3. */
  readonly nodes?: number;
  /** Seconds between blocks once the network is ready. Default: a block for each transaction, at once. */
  readonly blockTime?: number;
  /** Keeps chain and nodes here, for the next start. Default: nothing is kept. */
  readonly stateDirectory?: string;
  /**
   * The chain's JSON-RPC port. Default: 8545, or another if that is taken. 0 leaves this and all ports of nodes to the
   * system, for networks that start side by side.
   */
  readonly port?: number;
  /** Origins of pages that may call the nodes' APIs. Default: the usual ports of local development servers. */
  readonly origins?: readonly string[];
  /** Told what is being done, for people. */
  readonly onStep?: (step: string) => void;
}

/** Throws `option_invalid`. */
export function checkOptions({ nodes, blockTime, port }: NetworkOptions): void {
  whole("nodes", nodes, 1, MAX_NODES);
  whole("block-time", blockTime, 1, MAX_BLOCK_TIME);
  whole("port", port, 0, 65_535);
}

function whole(option: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  const reason = `a whole number from ${least} to ${most} is wanted, not ${value}`;
  throw new DevError({ code: "option_invalid", fields: { option, reason } });
}
