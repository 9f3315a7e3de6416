import { Interface } from "ethers/abi";
import type { Address } from "../protocol/address.ts";
import { fromHex, type Hex } from "../protocol/bytes.ts";
import { displayText } from "./displayText.ts";
import { ChainError } from "./error.ts";
import type { Call, Eth } from "./eth.ts";
import type { CallOptions } from "./jsonRpc.ts";

const ABI = new Interface([
  "function approve(address spender, uint256 amount)",
  "function transfer(address to, uint256 amount)",
  "function allowance(address owner, address spender) view returns (uint256)",
  "function balanceOf(address account) view returns (uint256)",
  "function decimals() view returns (uint256)",
  "function symbol() view returns (string)",
  "function name() view returns (string)",
]);

const TRANSFER = ABI.getFunction("transfer")!.selector;

/** Longest symbol and name kept, in characters: they are shown to people, and a stranger chose them. */
export const MAX_SYMBOL_CHARS = 32;
export const MAX_NAME_CHARS = 64;

/** Most gas a token may burn on a question: ten times what any honest one needs, a moment's work for a server. */
const VIEW_GAS = 1_000_000n;

/** Longest description looked at, hex digits: what is longer is not meant to be read. */
const MAX_DESCRIPTION_DIGITS = 16_384;

/** Decimals above this are a token's mistake or a trap for formatting. */
export const MAX_DECIMALS = 36;

/**
 * A token whose contract nobody vouches for. Balance and allowance are needed and fail loudly;
 * decimals and symbol are for display, optional in ERC-20, and undefined when the token gives none that can be used.
 */
export class Erc20 {
  readonly address: Address;
  readonly #eth: Eth;

  constructor(address: Address, eth: Eth) {
    this.address = address;
    this.#eth = eth;
  }

  /**
   * Lets `spender` pull `amount`. Tokens such as USDT refuse to change an allowance other than to or from zero:
   * publish an approval of zero first when one is left.
   */
  approve(spender: Address, amount: bigint): Call {
    const data = ABI.encodeFunctionData("approve", [spender, amount]) as Hex;
    return { to: this.address, data, value: 0n };
  }

  /** Moves `amount` from whoever publishes it. */
  transfer(to: Address, amount: bigint): Call {
    const data = ABI.encodeFunctionData("transfer", [to, amount]) as Hex;
    return { to: this.address, data, value: 0n };
  }

  /** Whether the token would refuse `transfer` by answering false, which no receipt shows. Throws if it reverts. */
  async refusesTransfer(from: Address, call: Call, options: CallOptions): Promise<boolean> {
    const answer = await this.#eth.call(from, call, "latest", options);
    // Tokens such as USDT answer nothing. What follows the first word is a stranger's.
    return answer !== "0x" && BigInt(answer.slice(0, 66)) !== 1n;
  }

  async balanceOf(account: Address, options: CallOptions): Promise<bigint> {
    return await this.#word("balanceOf", [account], options);
  }

  async allowance(owner: Address, spender: Address, options: CallOptions): Promise<bigint> {
    return await this.#word("allowance", [owner, spender], options);
  }

  async decimals(options: CallOptions): Promise<number | undefined> {
    const answer = await this.#optional("decimals", options);
    if (answer === undefined || answer.length < 66) return undefined;
    const value = BigInt(answer.slice(0, 66));
    return value <= BigInt(MAX_DECIMALS) ? Number(value) : undefined;
  }

  /** Safe to show: see {@link displayText}. Reads the old `bytes32` form too (MKR, SAI). */
  async symbol(options: CallOptions): Promise<string | undefined> {
    return await this.#text("symbol", MAX_SYMBOL_CHARS, options);
  }

  /** Like {@link symbol}. */
  async name(options: CallOptions): Promise<string | undefined> {
    return await this.#text("name", MAX_NAME_CHARS, options);
  }

  async #text(field: "symbol" | "name", most: number, options: CallOptions): Promise<string | undefined> {
    const answer = await this.#optional(field, options);
    if (answer === undefined || answer.length > MAX_DESCRIPTION_DIGITS) return undefined;
    const text = answer.length === 66 ? wordText(answer) : stringOf(field, answer);
    const clean = displayText(text ?? "", most);
    return clean === "" ? undefined : clean;
  }

  async #word(name: string, values: unknown[], options: CallOptions): Promise<bigint> {
    const answer = await this.#call(name, values, options);
    if (answer.length !== 66) {
      throw new ChainError({ code: "rpc_bad_answer", method: name, reason: "the token answered no number" });
    }
    return BigInt(answer);
  }

  /** The answer, or undefined when the token reverts or has no such function. */
  async #optional(name: string, options: CallOptions): Promise<Hex | undefined> {
    try {
      const answer = await this.#call(name, [], options);
      return answer === "0x" ? undefined : answer;
    } catch (error) {
      if (error instanceof ChainError && error.code === "rpc_error") return undefined;
      throw error;
    }
  }

  #call(name: string, values: unknown[], options: CallOptions): Promise<Hex> {
    const data = ABI.encodeFunctionData(name, values) as Hex;
    const call = { to: this.address, data, value: 0n };
    return this.#eth.call(undefined, call, "latest", { ...options, gas: VIEW_GAS });
  }
}

/** The text in one word, up to its first zero byte; undefined when it is no UTF-8. */
function wordText(word: Hex): string | undefined {
  const bytes = fromHex(word);
  const end = bytes.indexOf(0);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(end === -1 ? bytes : bytes.subarray(0, end));
  } catch {
    return undefined;
  }
}

function stringOf(field: "symbol" | "name", answer: Hex): string | undefined {
  try {
    return String(ABI.decodeFunctionResult(field, answer)[0]);
  } catch {
    return undefined;
  }
}

/** What a `transfer` moves, base units; undefined for any other call. */
export function transferredBy({ data }: Pick<Call, "data">): bigint | undefined {
  if (!data.startsWith(TRANSFER)) return undefined;
  return ABI.decodeFunctionData("transfer", data)[1] as bigint;
}
