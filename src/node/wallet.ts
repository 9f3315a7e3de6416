import { Erc20 } from "../chain/erc20.ts";
import { failureOf } from "../chain/error.ts";
import { chainPreset } from "../chain/presets.ts";
import { type Address, ZERO_ADDRESS } from "../protocol/index.ts";
import type { NodeContext } from "./context.ts";
import { NodeError } from "./error.ts";

/** A token as its contract describes itself; a stranger may have written that. */
export interface TokenInfo {
  readonly token: Address;
  /** At most 32 characters, safe to show. "?" where the token gives none that can be. */
  readonly symbol: string;
  /** At most 64 characters, safe to show. */
  readonly name: string | undefined;
  /** 0 where the token gives none that can be used: amounts are then shown in base units. */
  readonly decimals: number;
  /** What this node's account holds outside of channels, base units. */
  readonly balance: bigint;
  readonly warning: string | undefined;
}

type TokenFacts = Omit<TokenInfo, "balance">;

/** Tokens remembered: far more than a node trades in, little enough for whoever asks about thousands. */
const MAX_REMEMBERED = 1_000;

/** What the account holds, and what it is called. */
export class Wallet {
  readonly #context: NodeContext;
  /** In order of first use: the oldest goes. */
  readonly #facts = new Map<Address, TokenFacts>();

  constructor(context: NodeContext) {
    this.#context = context;
  }

  /** A token's description, remembered, and the account's balance, asked for now. Throws `token_unusable` or `ChainError`. */
  async tokenInfo(token: Address, signal: AbortSignal): Promise<TokenInfo> {
    const { chain, account } = this.#context;
    if (token === ZERO_ADDRESS)
      return { ...this.#native(), balance: await chain.eth.balance(account, { signal }) };
    const contract = new Erc20(token, chain.eth);
    const balance = await this.#balance(contract, signal);
    let facts = this.#facts.get(token);
    if (facts === undefined) {
      facts = await describe(contract, signal);
      this.#remember(facts);
    }
    return { ...facts, balance };
  }

  async #balance(contract: Erc20, signal: AbortSignal): Promise<bigint> {
    try {
      return await contract.balanceOf(this.#context.account, { signal });
    } catch (error) {
      const failure = failureOf(error);
      if (failure?.code !== "rpc_bad_answer" && failure?.code !== "rpc_error") throw error;
      const fields = { token: contract.address, reason: "it tells no balance" };
      throw new NodeError({ code: "token_unusable", fields }, { cause: error });
    }
  }

  #native(): TokenFacts {
    const symbol = chainPreset(this.#context.chainId)?.nativeSymbol ?? "ETH";
    return { token: ZERO_ADDRESS, symbol, name: undefined, decimals: 18, warning: undefined };
  }

  #remember(facts: TokenFacts): void {
    this.#facts.set(facts.token, facts);
    if (this.#facts.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#facts.keys()) {
      this.#facts.delete(oldest);
      return;
    }
  }
}

async function describe(contract: Erc20, signal: AbortSignal): Promise<TokenFacts> {
  const options = { signal };
  const symbol = await contract.symbol(options);
  const name = await contract.name(options);
  const decimals = await contract.decimals(options);
  const lacks = [symbol === undefined ? "symbol" : "", decimals === undefined ? "decimals" : ""].filter(
    Boolean,
  );
  const warning =
    lacks.length === 0
      ? undefined
      : `the token tells no usable ${lacks.join(" and no usable ")}; amounts are ${decimals === undefined ? "in base units" : "unnamed"}`;
  return { token: contract.address, symbol: symbol ?? "?", name, decimals: decimals ?? 0, warning };
}
