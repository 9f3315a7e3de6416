import { Interface } from "ethers/abi";
import type { Address } from "../protocol/address.ts";
import type { Hex } from "../protocol/bytes.ts";
import { ChainError } from "./error.ts";
import type { Call, Eth } from "./eth.ts";
import type { CallOptions } from "./rpc.ts";

const ABI = new Interface([
  "function approve(address spender, uint256 amount)",
  "function allowance(address owner, address spender) view returns (uint256)",
  "function balanceOf(address account) view returns (uint256)",
  "function decimals() view returns (uint256)",
  "function symbol() view returns (string)",
]);

/** Longest symbol kept: it is shown to people, and a stranger chose it. */
export const MAX_SYMBOL_CHARS = 16;

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

  /** Printable ASCII only; reads the old `bytes32` form too (MKR, SAI). */
  async symbol(options: CallOptions): Promise<string | undefined> {
    const answer = await this.#optional("symbol", options);
    if (answer === undefined) return undefined;
    const text = answer.length === 66 ? asciiOf(answer) : stringOf(answer);
    const clean = (text ?? "").replace(/[^\x21-\x7e]/g, "").slice(0, MAX_SYMBOL_CHARS);
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
    return this.#eth.call(undefined, { to: this.address, data, value: 0n }, "latest", options);
  }
}

function asciiOf(word: Hex): string {
  const bytes = word.slice(2).match(/../g) ?? [];
  return bytes.map((byte) => String.fromCharCode(Number.parseInt(byte, 16))).join("");
}

function stringOf(answer: Hex): string | undefined {
  try {
    return String(ABI.decodeFunctionResult("symbol", answer)[0]);
  } catch {
    return undefined;
  }
}
