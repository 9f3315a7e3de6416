import type { Address } from "../protocol/address.ts";
import type { Hex } from "../protocol/bytes.ts";
import { numberOf as toldNumber } from "./endpoint.ts";
import { ChainError, type ChainFailure } from "./error.ts";
import type { CallOptions, JsonRpc } from "./jsonRpc.ts";

/** A block's header, as far as the node needs it. */
export interface Header {
  readonly number: number;
  readonly hash: Hex;
  readonly parentHash: Hex;
  /** Unix seconds. */
  readonly timestamp: number;
  /** Wei; undefined before EIP-1559. */
  readonly baseFee: bigint | undefined;
}

/** A log as the chain gives it; hex strings lower-case. */
export interface RawLog {
  readonly address: Address;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly transactionHash: Hex;
  readonly logIndex: number;
}

export interface Receipt {
  readonly transactionHash: Hex;
  readonly blockHash: Hex;
  readonly blockNumber: number;
  /** False: it reverted. */
  readonly succeeded: boolean;
  readonly gasUsed: bigint;
  /** Wei per gas. */
  readonly effectiveGasPrice: bigint;
}

/** A call to simulate or to publish. `value` in wei. */
export interface Call {
  readonly to: Address;
  readonly data: Hex;
  readonly value: bigint;
  /** Gas it may take beyond what its estimate says, because strangers' code runs in it. Unused gas is not paid. */
  readonly spareGas?: bigint;
}

/** Which state to read: the newest block's, or exactly the block with this hash (EIP-1898), which no reorganisation can swap. */
export type BlockTag = "latest" | number | { readonly blockHash: Hex };

export interface BoundedOptions extends CallOptions {
  /** Most gas the call may burn on the server; its own bound where absent. */
  readonly gas?: bigint;
}

/** Most logs one answer may hold; more is treated as too wide a range. */
const MAX_LOGS_PER_ANSWER = 50_000;

/** The JSON-RPC methods the node uses, with every answer's shape checked. Throws {@link ChainError}. */
export class Eth {
  readonly #rpc: JsonRpc;

  constructor(rpc: JsonRpc) {
    this.#rpc = rpc;
  }

  /** Says that what was answered last cannot be true. True if another server will be asked instead. */
  doubt(failure: ChainFailure): boolean {
    return this.#rpc.doubt?.(failure) ?? false;
  }

  async chainId(options: CallOptions): Promise<bigint> {
    return bigintOf(await this.#rpc.call("eth_chainId", [], options), "eth_chainId");
  }

  /** Throws `wrong_chain` unless the server is on `chainId`, `contract_missing` unless `contract` has code. */
  async checkChain(chainId: bigint, contract: Address, options: CallOptions): Promise<void> {
    const actual = await this.chainId(options);
    if (actual !== chainId) throw new ChainError({ code: "wrong_chain", expected: chainId, actual });
    const code = hexOf(await this.#rpc.call("eth_getCode", [contract, "latest"], options), "eth_getCode");
    if (code === "0x") throw new ChainError({ code: "contract_missing", address: contract });
  }

  /** The header of a block, or undefined when the server does not have it. */
  async header(at: "latest" | number, options: CallOptions): Promise<Header | undefined> {
    const method = "eth_getBlockByNumber";
    const result = await this.#rpc.call(method, [tagOf(at), false], options);
    if (result === null) return undefined;
    const block = recordOf(result, method);
    return {
      number: numberOf(block.number, method),
      hash: hash32(block.hash, method),
      parentHash: hash32(block.parentHash, method),
      timestamp: numberOf(block.timestamp, method),
      baseFee: block.baseFeePerGas === undefined ? undefined : bigintOf(block.baseFeePerGas, method),
    };
  }

  /** The newest block's header. Throws `rpc_bad_answer` when the server has none: every chain has a genesis. */
  async newestHeader(options: CallOptions): Promise<Header> {
    const header = await this.header("latest", options);
    if (header === undefined) throw bad("eth_getBlockByNumber", "no latest block");
    return header;
  }

  /** All logs of `address` in the blocks `from` to `to`, both included. */
  async logs(address: Address, from: number, to: number, options: CallOptions): Promise<RawLog[]> {
    const method = "eth_getLogs";
    const filter = { address, fromBlock: tagOf(from), toBlock: tagOf(to) };
    const result = await this.#rpc.call(method, [filter], options);
    if (!Array.isArray(result)) throw bad(method, "not a list");
    if (result.length > MAX_LOGS_PER_ANSWER) {
      throw new ChainError({ code: "rpc_too_large", method, reason: `${result.length} logs` });
    }
    return result.map((entry) => logOf(recordOf(entry, method), method));
  }

  async balance(account: Address, options: CallOptions): Promise<bigint> {
    return bigintOf(await this.#rpc.call("eth_getBalance", [account, "latest"], options), "eth_getBalance");
  }

  /** How many of the account's transactions are in blocks up to `at`: the next nonce there. */
  async transactionCount(account: Address, at: "latest" | number, options: CallOptions): Promise<number> {
    const method = "eth_getTransactionCount";
    return numberOf(await this.#rpc.call(method, [account, tagOf(at)], options), method);
  }

  /**
   * The least that any server in use counts, or of one server alone what it answers when asked once more: what a single
   * answer cannot raise.
   */
  async leastTransactionCount(account: Address, at: number, options: CallOptions): Promise<number> {
    return (await this.#transactionCounts(account, at, options))[0]!;
  }

  /** What more than half of the servers in use count at least: of two what both do, of one what it says once more. */
  async agreedTransactionCount(account: Address, at: number, options: CallOptions): Promise<number> {
    const counts = await this.#transactionCounts(account, at, options);
    return counts[(counts.length - 1) >> 1]!;
  }

  /** The least first. */
  async #transactionCounts(account: Address, at: number, options: CallOptions): Promise<number[]> {
    const method = "eth_getTransactionCount";
    const answers = await this.#callEach(method, [account, tagOf(at)], options);
    const counts = answers.map(toldNumber).filter((count) => count !== undefined);
    if (counts.length === 0) throw bad(method, "no quantity");
    return counts.sort((a, b) => a - b);
  }

  /** What miners are offered at present, wei per gas. */
  async priorityFee(options: CallOptions): Promise<bigint> {
    const method = "eth_maxPriorityFeePerGas";
    return bigintOf(await this.#rpc.call(method, [], options), method);
  }

  async estimateGas(from: Address, call: Call, options: BoundedOptions): Promise<bigint> {
    const method = "eth_estimateGas";
    return bigintOf(await this.#rpc.call(method, [callParams(from, call, options.gas)], options), method);
  }

  /** The return data of a call performed on the state of `at`. A revert is `rpc_error` with its data. */
  async call(from: Address | undefined, call: Call, at: BlockTag, options: BoundedOptions): Promise<Hex> {
    const block = typeof at === "object" ? { blockHash: at.blockHash, requireCanonical: true } : tagOf(at);
    const params = [callParams(from, call, options.gas), block];
    return hexOf(await this.#rpc.call("eth_call", params, options), "eth_call");
  }

  /** Hands in a signed transaction; never retried here, since the publisher does. */
  async sendRaw(raw: Hex, options: CallOptions): Promise<void> {
    await this.#rpc.call("eth_sendRawTransaction", [raw], { ...options, retries: 0 });
  }

  /** Whether any server in use has a receipt of this transaction. */
  async hasReceipt(hash: Hex, options: CallOptions): Promise<boolean> {
    return (await this.#callEach("eth_getTransactionReceipt", [hash], options)).some(isMined);
  }

  async receipt(hash: Hex, options: CallOptions): Promise<Receipt | undefined> {
    const method = "eth_getTransactionReceipt";
    const result = await this.#rpc.call(method, [hash], options);
    if (!isMined(result)) return undefined;
    const receipt = recordOf(result, method);
    if (hash32(receipt.transactionHash, method) !== hash) throw bad(method, "of another transaction");
    return {
      transactionHash: hash,
      blockHash: hash32(receipt.blockHash, method),
      blockNumber: numberOf(receipt.blockNumber, method),
      succeeded: numberOf(receipt.status, method) === 1,
      gasUsed: bigintOf(receipt.gasUsed, method),
      effectiveGasPrice: bigintOf(receipt.effectiveGasPrice, method),
    };
  }

  async #callEach(method: string, params: readonly unknown[], options: CallOptions): Promise<unknown[]> {
    return (
      (await this.#rpc.callEach?.(method, params, options)) ?? [await this.#rpc.call(method, params, options)]
    );
  }
}

/** Whether it is a receipt: some servers give them of pending transactions, too. */
function isMined(receipt: unknown): boolean {
  return receipt !== null && (receipt as { blockNumber?: unknown }).blockNumber !== null;
}

function callParams(from: Address | undefined, call: Call, gas?: bigint): Record<string, string> {
  const params: Record<string, string> = { to: call.to, data: call.data, value: quantity(call.value) };
  if (gas !== undefined) params.gas = quantity(gas);
  if (from !== undefined) params.from = from;
  return params;
}

function logOf(log: Record<string, unknown>, method: string): RawLog {
  const { topics } = log;
  if (!Array.isArray(topics) || topics.length > 4) throw bad(method, "topics");
  if (log.removed === true) throw bad(method, "a removed log");
  return {
    address: hexOf(log.address, method) as Address,
    topics: topics.map((topic) => hash32(topic, method)),
    data: hexOf(log.data, method),
    blockNumber: numberOf(log.blockNumber, method),
    blockHash: hash32(log.blockHash, method),
    transactionHash: hash32(log.transactionHash, method),
    logIndex: numberOf(log.logIndex, method),
  };
}

function quantity(value: number | bigint): Hex {
  return `0x${value.toString(16)}`;
}

function tagOf(at: "latest" | number): string {
  return at === "latest" ? at : quantity(at);
}

function bad(method: string, reason: string): ChainError {
  return new ChainError({ code: "rpc_bad_answer", method, reason });
}

function recordOf(value: unknown, method: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw bad(method, "not an object");
  return value as Record<string, unknown>;
}

function hexOf(value: unknown, method: string): Hex {
  if (typeof value !== "string" || !/^0x([0-9a-f]{2})*$/i.test(value)) throw bad(method, "not hex bytes");
  return value.toLowerCase() as Hex;
}

function hash32(value: unknown, method: string): Hex {
  const hex = hexOf(value, method);
  if (hex.length !== 66) throw bad(method, "not 32 bytes");
  return hex;
}

function bigintOf(value: unknown, method: string): bigint {
  if (typeof value !== "string" || !/^0x[0-9a-f]{1,64}$/i.test(value)) throw bad(method, "not a quantity");
  return BigInt(value);
}

function numberOf(value: unknown, method: string): number {
  const number = Number(bigintOf(value, method));
  if (!Number.isSafeInteger(number)) throw bad(method, "a quantity out of range");
  return number;
}
