import { numberOf } from "./endpoint.ts";
import { failureOf } from "./error.ts";

/** Calls whose verdict must not rest on an older state than the caller has seen. */
const BOUND_TO_HEAD: readonly string[] = [
  "eth_call",
  "eth_estimateGas",
  "eth_getBalance",
  "eth_getTransactionCount",
];

/**
 * The block a server must have before it is asked, or undefined when any will do. `seen`: the newest head a caller was
 * told lately.
 */
export function neededBlock(
  method: string,
  params: readonly unknown[],
  seen: number | undefined,
): number | undefined {
  switch (method) {
    case "eth_getLogs":
      return numberOf((params[0] as { toBlock?: unknown } | undefined)?.toBlock);
    case "eth_getBlockByNumber":
      return numberOf(params[0]);
    case "eth_getTransactionCount":
      return numberOf(params[1]) ?? seen;
    default:
      // A block named by its hash is either there or an error.
      return BOUND_TO_HEAD.includes(method) && typeof params[1] !== "object" ? seen : undefined;
  }
}

/** Wordings of a server that has not what was asked for, where another may. */
const LACKING =
  /header not found|unknown block|block .*not (found|available)|missing trie node|state .*(not available|unavailable|pruned)|historical state|resource not found|no state available/i;

/** Whether a server's own error says that it lacks the block, the state or the method: no fault, but another may have it. */
export function lacksIt(error: unknown): boolean {
  const failure = failureOf(error);
  if (failure?.code !== "rpc_error" || failure.data !== undefined) return false;
  return failure.rpcCode === -32601 || failure.rpcCode === -32001 || LACKING.test(failure.reason);
}

/** Wordings of geth, Erigon, Nethermind, Besu, reth, anvil and Hardhat for a transaction that is in the pool already. */
export const ALREADY_KNOWN = /already known|known transaction|already imported|already exists|alreadyknown/i;

/** Whether a server refused a transaction because it, or another before it, has it already. */
export function isSuccessOfOther(error: unknown): boolean {
  const failure = failureOf(error);
  return failure?.code === "rpc_error" && ALREADY_KNOWN.test(failure.reason);
}
