import { type HDNodeWallet, Transaction } from "ethers";
import { type Account, accountFromKey } from "../../../src/chain/account.ts";
import { Escrow } from "../../../src/chain/escrow.ts";
import { type Call, Eth } from "../../../src/chain/eth.ts";
import { Journal, type JournalOp, type JournalStore } from "../../../src/chain/journal.ts";
import { Publisher, type PublisherInit } from "../../../src/chain/publisher.ts";
import { Rpc } from "../../../src/chain/rpc.ts";
import {
  type ChainNotice,
  Watcher,
  type WatcherInit,
  type WatcherStatus,
} from "../../../src/chain/watcher.ts";
import { createCrypto } from "../../../src/crypto/index.ts";
import type { Address } from "../../../src/protocol/address.ts";
import { fromHex } from "../../../src/protocol/bytes.ts";
import { type Channel, type ChannelId, channelIdOf } from "../../../src/protocol/channel.ts";
import type { Crypto } from "../../../src/protocol/ports.ts";
import { CHAIN_ID, deployFixture, type Fixture } from "../../contracts/support/fixture.ts";
import type { TestChain } from "../../contracts/support/testChain.ts";
import { FaultProxy } from "./faultProxy.ts";

export const signal = new AbortController().signal;

/** A chain with the escrow on it, reached through a proxy that can misbehave. */
export interface World {
  readonly chain: TestChain;
  readonly fixture: Fixture;
  readonly proxy: FaultProxy;
  readonly eth: Eth;
  readonly escrow: Escrow;
  readonly crypto: Crypto;
  /** Straight to the chain, past the proxy. */
  rpc(method: string, ...params: unknown[]): Promise<unknown>;
  /** A fresh native-coin channel of the two sides, and its id. */
  channel(): { readonly channel: Channel; readonly id: ChannelId };
  /** Side `side` deposits native coin past the proxy. */
  deposit(channel: Channel, side: 0 | 1, amount: bigint): Promise<void>;
  stop(): Promise<void>;
}

export async function openWorld(start: () => Promise<TestChain>): Promise<World> {
  const chain = await start();
  const fixture = await deployFixture(chain);
  const target = chain.provider._getConnection().url;
  const proxy = await new FaultProxy(target).start();
  const eth = new Eth(new Rpc({ url: proxy.url, timeoutMs: 2_000, retries: 1, retryMinMs: 10 }));
  const escrowAddress = fixture.escrowAddress.toLowerCase() as Address;
  const escrow = new Escrow(escrowAddress, eth);
  const crypto = await createCrypto();
  const send = (method: string, ...params: unknown[]) => chain.provider.send(method, params);
  return {
    chain,
    fixture,
    proxy,
    eth,
    escrow,
    crypto,
    rpc: send,
    channel: () => {
      const terms = fixture.terms(`0x${"00".repeat(20)}`);
      const channel = { ...terms, challengePeriod: Number(terms.challengePeriod) } as unknown as Channel;
      for (const name of ["participant0", "participant1", "signer0", "signer1"] as const) {
        Object.assign(channel, { [name]: channel[name].toLowerCase() });
      }
      return { channel, id: channelIdOf(channel, CHAIN_ID, escrowAddress, crypto.keccak256) };
    },
    deposit: async (channel, side, amount) => {
      const { account } = fixture.sides[side];
      const call = escrow.deposit(channel, account.address.toLowerCase() as Address, amount);
      await perform(account, call);
    },
    stop: async () => {
      await proxy.stop();
      await chain.stop();
    },
  };
}

/** Sends a call past the proxy and waits until it is mined. */
export async function perform(account: HDNodeWallet, call: Call): Promise<void> {
  const sent = await account.sendTransaction({ ...call, gasLimit: 1_000_000n });
  await sent.wait();
}

/** A store that remembers, and can refuse to write. */
export class TestStore implements JournalStore {
  readonly values = new Map<string, Uint8Array>();
  /** Called before each write; a throw is a full disk. */
  before: () => void = () => {};
  writes = 0;

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.values.get(Buffer.from(key).toString());
  }

  async write(ops: readonly JournalOp[], options: { readonly sync: boolean }): Promise<void> {
    if (!options.sync) throw new Error("the journal must be synced");
    this.before();
    this.writes++;
    for (const op of ops) {
      const key = Buffer.from(op.key).toString();
      if (op.type === "put") this.values.set(key, op.value.slice());
      else this.values.delete(key);
    }
  }
}

/** A watcher whose deliveries are collected. */
export interface Watched {
  readonly watcher: Watcher;
  readonly notices: ChainNotice[];
  readonly statuses: WatcherStatus[];
  /** `kind stage` of every notice, in order. */
  story(): string[];
}

export async function watch(
  world: World,
  store: JournalStore,
  init: Partial<WatcherInit> & Pick<WatcherInit, "confirmations">,
): Promise<Watched> {
  const notices: ChainNotice[] = [];
  const statuses: WatcherStatus[] = [];
  const watcher = new Watcher({
    eth: world.eth,
    journal: new Journal(store, "chain/"),
    chainId: CHAIN_ID,
    escrow: world.escrow.address,
    fromBlock: 0,
    knows: () => true,
    handler: async (notice) => void notices.push(notice),
    onStatus: (status) => void statuses.push(status),
    minPollMs: 20,
    maxPollMs: 20,
    maxFutureSeconds: undefined,
    ...init,
  });
  await watcher.start();
  return { watcher, notices, statuses, story: () => notices.map(({ kind, stage }) => `${kind} ${stage}`) };
}

export function publisherFor(
  world: World,
  store: JournalStore,
  account: Account,
  init: Partial<PublisherInit> = {},
): Publisher {
  return new Publisher({
    eth: world.eth,
    journal: new Journal(store, "account/"),
    chainId: CHAIN_ID,
    account,
    confirmations: 1,
    pollMs: 25,
    ...init,
  });
}

export function accountOf(wallet: HDNodeWallet, crypto: Crypto): Account {
  return accountFromKey(fromHex(wallet.privateKey), crypto);
}

/** Waits until `condition` holds; fails with what `says` when it does not within `ms`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  says: string,
  ms = 5_000,
): Promise<void> {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${says}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** For every sender and nonce that was ever handed in: its distinct contents (recipient, data, value). */
export function contentsByNonce(raws: readonly string[]): Map<string, Set<string>> {
  const contents = new Map<string, Set<string>>();
  for (const raw of raws) {
    const { from, nonce, to, data, value } = Transaction.from(raw);
    const name = `${from} ${nonce}`;
    const known = contents.get(name) ?? new Set();
    contents.set(name, known.add(`${to} ${data} ${value}`));
  }
  return contents;
}
