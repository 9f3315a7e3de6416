import { Transaction } from "ethers/transaction";
import { DevError } from "../error.ts";
import type { ChainRecord, TransactionEntry } from "./chainRecord.ts";
import { blockNumber, type Provider, type ProviderCall, quantity } from "./provider.ts";

/** Calls after which there may be new blocks. */
const MINING: ReadonlySet<string> = new Set([
  "eth_sendRawTransaction",
  "eth_sendTransaction",
  "evm_mine",
  "evm_setAutomine",
  "hardhat_mine",
]);

/** Calls that change the chain beside its blocks: they are made again as they were. */
const CHANGING: ReadonlySet<string> = new Set([
  "evm_setBlockGasLimit",
  "hardhat_setBalance",
  "hardhat_setCode",
  "hardhat_setCoinbase",
  "hardhat_setMinGasPrice",
  "hardhat_setNextBlockBaseFeePerGas",
  "hardhat_setNonce",
  "hardhat_setStorageAt",
]);

/** Snapshots that can be reverted to, for a program that makes them and reverts to none. */
const MAX_SNAPSHOTS = 4_096;

interface Block {
  readonly hash: string;
  readonly timestamp: string;
  readonly mixHash: string;
  readonly transactions: readonly (Readonly<Record<string, unknown>> & { readonly hash: string })[];
}

/** Passes calls on to a chain, one change at a time, and records what is needed to make the same chain again. */
export class RecordingProvider implements Provider {
  readonly #chain: Provider;
  readonly #record: ChainRecord;
  readonly #now: () => number;
  /** Signed transactions that are in no block yet. */
  readonly #raw = new Map<string, string>();
  readonly #snapshots = new Map<string, { readonly size: number; readonly block: number }>();
  #recorded: number;
  #turn: Promise<unknown> = Promise.resolve();

  /** `recorded`: the number of the newest block that is in the record. */
  constructor(chain: Provider, record: ChainRecord, recorded: number, now: () => number) {
    this.#chain = chain;
    this.#record = record;
    this.#recorded = recorded;
    this.#now = now;
  }

  // biome-ignore lint/suspicious/noExplicitAny: EIP-1193 leaves it open
  request(call: ProviderCall): Promise<any> {
    const { method } = call;
    if (method === "hardhat_reset" || method === "evm_setIntervalMining") {
      const reason = "the chain is kept, and could not be made again after it";
      return Promise.reject(new DevError({ code: "method_unsupported", fields: { method, reason } }));
    }
    const changes =
      MINING.has(method) || CHANGING.has(method) || method === "evm_snapshot" || method === "evm_revert";
    return changes ? this.#inTurn(() => this.#change(call)) : this.#chain.request(call);
  }

  /** Records what is not recorded yet. */
  async flush(): Promise<void> {
    await this.#inTurn(() => this.#recordBlocks());
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #change(call: ProviderCall): Promise<unknown> {
    const { method, params = [] } = call;
    let result: unknown;
    try {
      result = await this.#chain.request(call);
    } finally {
      // A transaction that reverts is answered with an error, and is in a block all the same.
      if (method === "eth_sendRawTransaction") this.#keepRaw(String(params[0]));
      if (MINING.has(method)) await this.#recordBlocks();
    }
    if (CHANGING.has(method)) this.#record.append({ method, params });
    if (method === "evm_snapshot") this.#noteSnapshot(String(result));
    if (method === "evm_revert" && result === true) this.#goBack(String(params[0]));
    return result;
  }

  #keepRaw(raw: string): void {
    try {
      this.#raw.set(Transaction.from(raw).hash!, raw);
    } catch {
      // The chain has refused it too.
    }
  }

  async #recordBlocks(): Promise<void> {
    const newest = await blockNumber(this.#chain);
    while (this.#recorded < newest) {
      const number = this.#recorded + 1;
      const block = (await this.#chain.request({
        method: "eth_getBlockByNumber",
        params: [quantity(number), true],
      })) as Block;
      this.#record.append({
        block: number,
        hash: block.hash,
        time: Number(block.timestamp),
        at: Math.floor(this.#now()),
        randao: block.mixHash,
        transactions: block.transactions.map((transaction) => this.#entryOf(transaction)),
      });
      this.#recorded = number;
    }
  }

  #entryOf(transaction: Block["transactions"][number]): TransactionEntry {
    const raw = this.#raw.get(transaction.hash) ?? serialized(transaction);
    this.#raw.delete(transaction.hash);
    return raw ?? { impersonated: callOf(transaction) };
  }

  #noteSnapshot(id: string): void {
    const [oldest] = this.#snapshots.keys();
    if (this.#snapshots.size >= MAX_SNAPSHOTS && oldest !== undefined) this.#snapshots.delete(oldest);
    this.#snapshots.set(id, { size: this.#record.size, block: this.#recorded });
  }

  #goBack(id: string): void {
    const snapshot = this.#snapshots.get(id);
    if (snapshot === undefined) {
      const reason = `snapshot ${id} is too old to take the record back to`;
      throw new DevError({ code: "method_unsupported", fields: { method: "evm_revert", reason } });
    }
    this.#record.cut(snapshot.size);
    this.#recorded = snapshot.block;
  }
}

/** A transaction that the chain signed for an account it holds; undefined when its signature is nobody's. */
function serialized(transaction: Readonly<Record<string, unknown>>): string | undefined {
  const text = (name: string) => transaction[name] as string;
  const type = Number(text("type"));
  try {
    const signed = Transaction.from({
      type,
      to: (transaction.to as string | null) ?? null,
      nonce: Number(text("nonce")),
      gasLimit: BigInt(text("gas")),
      data: text("input"),
      value: BigInt(text("value")),
      chainId: BigInt((transaction.chainId as string | undefined) ?? 0),
      ...(type < 2
        ? { gasPrice: BigInt(text("gasPrice")) }
        : {
            maxFeePerGas: BigInt(text("maxFeePerGas")),
            maxPriorityFeePerGas: BigInt(text("maxPriorityFeePerGas")),
          }),
      ...(type > 0 && { accessList: transaction.accessList as [] }),
      signature: { r: padded(text("r")), s: padded(text("s")), v: Number(text("v")) },
    });
    return signed.hash === transaction.hash && signed.from?.toLowerCase() === transaction.from
      ? signed.serialized
      : undefined;
  } catch {
    return undefined;
  }
}

function padded(hex: string): string {
  return `0x${hex.slice(2).padStart(64, "0")}`;
}

/** The fields of `eth_sendTransaction`. */
function callOf(transaction: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { from, to, nonce, gas, input, value, gasPrice, maxFeePerGas, maxPriorityFeePerGas } = transaction;
  const fees = maxFeePerGas === undefined ? { gasPrice } : { maxFeePerGas, maxPriorityFeePerGas };
  return { from, ...(to !== null && { to }), nonce, gas, data: input, value, ...fees };
}
