import type { Address } from "../protocol/address.ts";
import { ChainError } from "./error.ts";
import type { BlockTag, Call, Eth } from "./eth.ts";
import type { Refused } from "./intent.ts";
import type { CallOptions } from "./jsonRpc.ts";
import { decodeRevert } from "./revert.ts";

/** EIP-7825: no transaction may carry more gas. */
const MAX_TRANSACTION_GAS = 16_777_216n;

/** Added to the estimate's 30 %: the state may change before inclusion (a first claim, a longer list). Unused gas is not paid. */
const GAS_MARGIN = 30_000n;

/** The limit a call is sent with that was measured to use `gas`, `spare` beyond it. The account must be able to pay for all of it. */
export function gasLimitFor(gas: bigint, spare = 0n): bigint {
  const limit = (gas * 13n) / 10n + GAS_MARGIN + spare;
  return limit < MAX_TRANSACTION_GAS ? limit : MAX_TRANSACTION_GAS;
}

/** What a transfer to an account without code takes; some servers tell a little more. */
const PLAIN_TRANSFER_GAS = 21_000n;
const PLAIN_TRANSFER_SLACK = 64n;

/** As {@link gasLimitFor}; a plain transfer runs no code whose need could grow, so that all of an account can be sent. */
function limitOf(call: Call, gas: bigint): bigint {
  const isPlain = call.data === "0x" && gas <= PLAIN_TRANSFER_GAS + PLAIN_TRANSFER_SLACK;
  return isPlain ? gas : gasLimitFor(gas, call.spareGas);
}

/** What a call uses and the gas limit to send it with, or why it would not do anything. Throws {@link ChainError} when the chain cannot tell. */
export async function simulate(
  from: Address,
  call: Call,
  eth: Eth,
  options: CallOptions,
): Promise<{ readonly ok: true; readonly gas: bigint; readonly gasLimit: bigint } | Refused> {
  try {
    const gas = await eth.estimateGas(from, call, options);
    return { ok: true, gas, gasLimit: limitOf(call, gas) };
  } catch (error) {
    if (!(error instanceof ChainError) || error.failure.code !== "rpc_error") throw error;
    const { reason, data } = error.failure;
    if (data !== undefined) return { ok: false, code: "tx_would_revert", revert: decodeRevert(data) };
    const have = await eth.balance(from, options);
    if (have <= call.value) return { ok: false, code: "gas_wallet_empty", have, need: call.value + 1n };
    if (!/revert|invalid opcode|out of gas/i.test(reason)) throw error;
    const revert = decodeRevert(await revertDataOf(from, call, "latest", eth, options));
    return { ok: false, code: "tx_would_revert", revert };
  }
}

/** What a call reverts with: for servers that estimate without saying, and for mined reverts. */
export async function revertDataOf(
  from: Address,
  call: Call,
  at: BlockTag,
  eth: Eth,
  options: CallOptions,
): Promise<string | undefined> {
  try {
    await eth.call(from, call, at, options);
    return undefined;
  } catch (error) {
    if (error instanceof ChainError && error.failure.code === "rpc_error") return error.failure.data;
    throw error;
  }
}
