import { chainPreset } from "../chain/presets.ts";
import type { RivuletClient } from "../client/client.ts";
import type { TokenInfo } from "../client/index.ts";
import { ApiProblem } from "../client/problem.ts";
import { ZERO_ADDRESS } from "../protocol/index.ts";
import { usage } from "./exitCodes.ts";
import { safe } from "./text.ts";

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;
const NUMBER = /^(0|[1-9][0-9]*)(?:\.([0-9]+))?$/;

/** A symbol that is shown without its token's address. */
const PLAIN_SYMBOL = /^[A-Za-z][A-Za-z0-9.]{0,11}$/;

/** The contract counts amounts in as many bits. */
const AMOUNT_BITS = 128n;

/** What a token's amounts are written with. */
export interface Unit {
  readonly token: string;
  readonly symbol: string;
  readonly decimals: number;
}

/** `12.5` of a token with 6 decimals as 12500000n. Never through a float; more digits than the token has are refused. */
export function parseUnits(text: string, { symbol, decimals }: Unit): bigint {
  const match = NUMBER.exec(text);
  if (match === null) throw usage(`"${text}" is no amount`, `Write it as 0.25 ${symbol}.`);
  const [, whole, fraction = ""] = match;
  if (fraction.length > decimals) {
    throw usage(
      `${symbol} has ${decimals} decimals; "${text}" has ${fraction.length}`,
      "Nothing is rounded.",
    );
  }
  return BigInt(whole! + fraction.padEnd(decimals, "0"));
}

/** 12500000n of a token with 6 decimals as `12.5`, exactly. */
export function formatUnits(amount: bigint | string, decimals: number): string {
  const value = BigInt(amount);
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return `${value < 0n ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

/** A number, then a symbol or address; close by only letters, or `1e3`, `0x10` and `1,5 USDC` would be numbers and symbols. */
const NUMBER_AND_SYMBOL = /^([0-9.]+)(?:\s+(\S.*)|([A-Za-z][A-Za-z.]*))?$/;

/** `0.25 USDC`, `0.25USDC` or `0.25` as number and symbol (or address). */
export function splitAmount(text: string): { readonly number: string; readonly symbol: string | undefined } {
  const match = NUMBER_AND_SYMBOL.exec(text.trim());
  if (match === null) throw usage(`"${text}" is no amount`, 'Write it as "0.25 USDC".');
  return { number: match[1]!, symbol: (match[2] ?? match[3])?.trim() };
}

/**
 * The tokens a node deals in, by the names people give them. A symbol is whatever a contract says, so it stands for a
 * token only if it is the chain's coin, a well-known token of the chain, or one that a single channel's token claims.
 */
export class Tokens {
  readonly #client: RivuletClient;
  readonly #units = new Map<string, Promise<Unit>>();
  #known: Promise<ReadonlyMap<string, string>> | undefined;

  constructor(client: RivuletClient) {
    this.#client = client;
  }

  /** How a token's amounts are written. A token that takes a well-known one's symbol is shown with its address. */
  unit(token: string): Promise<Unit> {
    const key = token.toLowerCase();
    let unit = this.#units.get(key);
    if (unit === undefined) {
      unit = this.#read(key);
      this.#units.set(key, unit);
    }
    return unit;
  }

  /** `1.5 USDC`. Of a token that tells nothing now, base units: one bad token must not hide all other amounts. */
  async show(amount: bigint | string, token: string): Promise<string> {
    try {
      const { symbol, decimals } = await this.unit(token);
      return `${formatUnits(amount, decimals)} ${symbol}`;
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      return `${amount} base units of ${token === ZERO_ADDRESS ? "the chain's coin" : token}`;
    }
  }

  /** The token that an address or a symbol stands for. */
  async find(name: string): Promise<Unit> {
    if (ADDRESS.test(name)) return this.unit(name);
    const known = await this.#symbols();
    const token = known.get(name.toUpperCase());
    if (token === undefined) {
      const all = [...known.keys()].join(", ");
      throw usage(
        `no token is known as "${safe(name)}"`,
        `Known here: ${all}. Any token can be named by its address.`,
      );
    }
    return this.unit(token);
  }

  /** An amount with its token, as people type it. `token` is what it must be in, where that is given. */
  async parse(text: string, token?: string): Promise<{ readonly amount: bigint; readonly unit: Unit }> {
    const { number, symbol } = splitAmount(text);
    if (symbol === undefined && token === undefined) {
      throw usage(
        `which token is "${text}" in?`,
        `Write it as "${number} USDC", or with the token's address.`,
      );
    }
    const unit = token === undefined ? await this.find(symbol!) : await this.unit(token);
    if (token !== undefined && symbol !== undefined && symbol.toUpperCase() !== unit.symbol.toUpperCase()) {
      const named = ADDRESS.test(symbol) || (await this.#symbols()).has(symbol.toUpperCase());
      const meant = named ? (await this.find(symbol)).token : undefined;
      if (meant !== unit.token)
        throw usage(`the amount is in ${safe(symbol)}, but this is about ${unit.symbol}`);
    }
    const amount = parseUnits(number, unit);
    if (amount === 0n) throw usage("an amount must be above zero");
    if (amount >> AMOUNT_BITS !== 0n)
      throw usage(`${number} ${unit.symbol} are more than a channel can hold`);
    return { amount, unit };
  }

  async #read(token: string): Promise<Unit> {
    const info: TokenInfo = await this.#client.token({ params: { token } });
    const symbol = safe(info.symbol);
    const owner = (await this.#official()).get(symbol.toUpperCase());
    // Digits would join the amount, and letters of other scripts look like those of a known token.
    const isPlain = owner === token || (owner === undefined && PLAIN_SYMBOL.test(symbol));
    return { token, decimals: info.decimals, symbol: isPlain ? symbol : `[${symbol}](${token})` };
  }

  /** The symbol a token claims; undefined where it claims none that could be taken for another's. */
  async #claimOf(token: string): Promise<string | undefined> {
    try {
      return (await this.unit(token)).symbol;
    } catch (error) {
      if (error instanceof ApiProblem && error.code === "token_unusable") return undefined;
      throw error;
    }
  }

  /** Symbols that only one token may bear: the coin's and those of the chain's well-known tokens. */
  async #official(): Promise<ReadonlyMap<string, string>> {
    const { nativeSymbol, chainId } = await this.#client.status();
    const tokens = chainPreset(BigInt(chainId))?.tokens ?? [];
    return new Map([
      [nativeSymbol.toUpperCase(), ZERO_ADDRESS],
      ...tokens.map(({ symbol, address }) => [symbol.toUpperCase(), address.toLowerCase()] as const),
    ]);
  }

  async #symbols(): Promise<ReadonlyMap<string, string>> {
    this.#known ??= this.#readSymbols();
    return this.#known;
  }

  async #readSymbols(): Promise<ReadonlyMap<string, string>> {
    const known = new Map(await this.#official());
    const tokens = new Set<string>();
    const { items } = await this.#client.channels({ query: { limit: 1000 } });
    for (const { token } of items) tokens.add(token);
    const claimed = new Map<string, string[]>();
    for (const token of tokens) {
      const symbol = await this.#claimOf(token);
      if (symbol === undefined) continue;
      const name = symbol.toUpperCase();
      claimed.set(name, [...(claimed.get(name) ?? []), token]);
    }
    // Two tokens of one name are named by their addresses.
    for (const [name, [token, ...others]] of claimed) {
      if (others.length === 0 && !known.has(name)) known.set(name, token!);
    }
    return known;
  }
}
