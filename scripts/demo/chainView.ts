import { Contract, type EventLog, Interface, JsonRpcProvider, type TransactionReceipt } from "ethers";
import type { ChainPlace } from "./control.ts";
import type { Asset, Name } from "./orders.ts";
import { ASSETS, type ChainFacts, NAMES } from "./verdict.ts";

const ESCROW = new Interface([
  "event Deposited(bytes32 indexed channelId, address indexed participant, uint256 totalDeposit)",
  "event CloseStarted(bytes32 indexed channelId, address indexed closer, uint256 deadline)",
  "event ProofRecorded(bytes32 indexed channelId, address indexed payer, uint64 nonce, uint256 transferred, uint256 locked, uint256 deadline)",
  "event Settled(bytes32 indexed channelId, uint256 share0, uint256 share1, bool cooperative)",
]);

const TOKEN = new Interface([
  "function mint(address to, uint256 amount)",
  "function balanceOf(address account) view returns (uint256)",
]);

type ByName<Value> = Readonly<Record<Name, Value>>;
type ByAsset<Value> = Readonly<Record<Asset, Value>>;

/** The chain as anybody sees it, by JSON-RPC and not through a node of Rivulet. */
export class ChainView {
  readonly #provider: JsonRpcProvider;
  readonly #place: ChainPlace;
  readonly #escrow: Contract;

  constructor(place: ChainPlace) {
    this.#place = place;
    this.#provider = new JsonRpcProvider(place.rpcUrl, place.chainId, {
      staticNetwork: true,
      cacheTimeout: -1,
      batchMaxCount: 1,
      pollingInterval: 50,
    });
    this.#escrow = new Contract(place.escrow, ESCROW, this.#provider);
  }

  /** Gives an account native coin and test tokens, from an account of the development chain. */
  async fund(account: string, wei: bigint, tokens: bigint): Promise<void> {
    const rich = await this.#provider.getSigner(0);
    const data = TOKEN.encodeFunctionData("mint", [account, tokens]);
    const gift = await rich.sendTransaction({ to: account, value: wei });
    const mint = await rich.sendTransaction({ to: this.#place.token, data });
    await Promise.all([gift.wait(), mint.wait()]);
  }

  async balances(account: string): Promise<ByAsset<bigint>> {
    const token = new Contract(this.#place.token, TOKEN, this.#provider);
    const [native, tokens] = await Promise.all([
      this.#provider.getBalance(account),
      token.getFunction("balanceOf")(account) as Promise<bigint>,
    ]);
    return { native, token: tokens };
  }

  /** Lets the chain's time pass and mines a block. */
  async pass(seconds: number): Promise<void> {
    await this.#provider.send("evm_increaseTime", [seconds]);
    await this.#provider.send("evm_mine", []);
  }

  async isClosing(channelId: string): Promise<boolean> {
    return (await this.#logs("CloseStarted", channelId)).length > 0;
  }

  /** What is on record as paid by each participant of a closing channel, in the order it was recorded. */
  async recorded(
    channelId: string,
  ): Promise<{ readonly payer: string; readonly nonce: bigint; readonly transferred: bigint }[]> {
    return (await this.#logs("ProofRecorded", channelId)).map(({ args }) => ({
      payer: (args.payer as string).toLowerCase(),
      nonce: args.nonce as bigint,
      transferred: args.transferred as bigint,
    }));
  }

  /** Everything the demo's verdict needs to know. */
  async facts(channels: ByAsset<string>, accounts: ByName<string>): Promise<ChainFacts> {
    const deposits = await each(ASSETS, (asset) => this.#deposits(channels[asset], accounts));
    const payouts = await each(ASSETS, (asset) => this.#payouts(channels[asset], accounts));
    const balances = await each(NAMES, (name) => this.balances(accounts[name]));
    return { deposits, payouts, balances, escrow: await this.balances(this.#place.escrow) };
  }

  /** Receipts of all transactions of the two accounts. */
  async receipts(accounts: ByName<string>): Promise<{ name: Name; receipt: TransactionReceipt }[]> {
    const found: { name: Name; receipt: TransactionReceipt }[] = [];
    const newest = await this.#provider.getBlockNumber();
    for (let number = this.#place.block + 1; number <= newest; number++) {
      const block = await this.#provider.getBlock(number, true);
      for (const { from, hash } of block?.prefetchedTransactions ?? []) {
        const name = NAMES.find((candidate) => accounts[candidate] === from.toLowerCase());
        const receipt = name && (await this.#provider.getTransactionReceipt(hash));
        if (receipt) found.push({ name, receipt });
      }
    }
    return found;
  }

  /**
   * Gas of each channel's life. What touches no channel belongs to the token's: approvals, and transactions of its
   * dispute that came second.
   */
  gasOf(receipts: readonly TransactionReceipt[], channels: ByAsset<string>): ByAsset<bigint> {
    const gas = { native: 0n, token: 0n };
    for (const { logs, gasUsed } of receipts) {
      const native = logs.some(({ topics }) => topics[1] === channels.native);
      gas[native ? "native" : "token"] += gasUsed;
    }
    return gas;
  }

  close(): void {
    this.#provider.destroy();
  }

  async #deposits(channelId: string, accounts: ByName<string>): Promise<Partial<Record<Name, bigint>>> {
    const totals: Partial<Record<Name, bigint>> = {};
    for (const { args } of await this.#logs("Deposited", channelId)) {
      const owner = (args.participant as string).toLowerCase();
      const name = NAMES.find((candidate) => accounts[candidate] === owner);
      if (name !== undefined) totals[name] = args.totalDeposit as bigint;
    }
    return totals;
  }

  async #payouts(channelId: string, accounts: ByName<string>): Promise<Partial<Record<Name, bigint>>> {
    const settled = (await this.#logs("Settled", channelId))[0];
    if (settled === undefined) return {};
    const shares = [settled.args.share0 as bigint, settled.args.share1 as bigint] as const;
    const [first, second] = accounts.alice < accounts.bob ? NAMES : NAMES.toReversed();
    return { [first!]: shares[0], [second!]: shares[1] };
  }

  async #logs(event: string, channelId: string): Promise<EventLog[]> {
    const filter = this.#escrow.getEvent(event)(channelId);
    return (await this.#escrow.queryFilter(filter, this.#place.block)) as EventLog[];
  }
}

async function each<Key extends string, Value>(
  keys: readonly Key[],
  value: (key: Key) => Promise<Value>,
): Promise<Record<Key, Value>> {
  const entries: [Key, Value][] = [];
  for (const key of keys) entries.push([key, await value(key)]);
  return Object.fromEntries(entries) as Record<Key, Value>;
}
