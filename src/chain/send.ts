import type { Hex } from "../protocol/bytes.ts";
import { ChainError } from "./error.ts";
import type { Eth } from "./eth.ts";
import { ALREADY_KNOWN } from "./methods.ts";

/** What a server said to a transaction that was handed in. */
export type SendAnswer =
  /** It is in the pool, or was already. */
  | "taken"
  /** The nonce is used: this one or another is in a block. */
  | "nonce_used"
  /** Too low a fee for the pool or against the one it replaces. */
  | "outbid"
  | "gas_wallet_empty"
  | "rpc_refused";

/** Wordings of geth, Erigon, Nethermind, Besu, reth, anvil and Hardhat; the first that fits counts. */
const ANSWERS: readonly (readonly [RegExp, SendAnswer])[] = [
  [ALREADY_KNOWN, "taken"],
  [/nonce (is )?too low|nonce .*(already|been) used|oldnonce|expected nonce to be/i, "nonce_used"],
  [
    /underpriced|max ?fee ?per ?gas.*(less|lower|too low)|fee.*too low|feetoolow|below .*base ?fee/i,
    "outbid",
  ],
  [
    /insufficient funds|doesn't have enough funds|not enough funds|insufficientfunds|balance too low/i,
    "gas_wallet_empty",
  ],
];

/** Hands in a signed transaction. Throws `rpc_down` or `rpc_rate_limited` when it cannot be told whether it arrived. */
export async function send(raw: Hex, eth: Eth, signal: AbortSignal): Promise<SendAnswer> {
  try {
    await eth.sendRaw(raw, { signal });
    return "taken";
  } catch (error) {
    if (!(error instanceof ChainError) || error.failure.code !== "rpc_error") throw error;
    const { reason } = error.failure;
    return ANSWERS.find(([wording]) => wording.test(reason))?.[1] ?? "rpc_refused";
  }
}
