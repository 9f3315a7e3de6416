import type { Logger } from "pino";
import { createNode, type NodeOptions, type RivuletNode } from "../../node/index.ts";
import { type Address, MAX_CHALLENGE_PERIOD } from "../../protocol/index.ts";
import { DEV_MNEMONIC, type DevAccount, devAccount, nodeAccountIndex } from "../accounts.ts";
import { DEV_CONTRACTS } from "../chain/deploy.ts";
import { DevError } from "../error.ts";

/** Seconds: so short that a dispute is over in a moment, so long that one step of time travel is a step. */
const LEAST_CHALLENGE_PERIOD = 60;

/** What nodes match of an opener's deposit: whatever is asked, since money here is made from nothing. */
const MOST_MATCHING_DEPOSIT = 2n ** 96n;

/** How often nodes look at their chain, milliseconds. */
export type Poll = NonNullable<NodeOptions["poll"]>;

/** What runs a node; the network in one command puts an HTTP API around it. */
export interface Running {
  readonly node: RivuletNode;
  /** Where its HTTP API is, and the token that may do everything; undefined without one. */
  readonly api?: { readonly url: string; readonly token: string };
  stop(): Promise<void>;
}

/** `n`: the how-manieth node of its network, from 0. */
export type Runner = (options: NodeOptions, n: number) => Promise<Running>;

/** A node without an API: its methods are called directly. */
export const runBare: Runner = async (options) => {
  const node = await createNode(options);
  return { node, stop: () => node.stop() };
};

export interface DevNodeInit {
  readonly name: string;
  /** The how-manieth node of its network, from 0. */
  readonly number: number;
  readonly directory: string;
  readonly rpcUrl: string;
  readonly chainId: bigint;
  readonly poll: Poll;
  readonly listen: string;
  readonly run: Runner;
  readonly log?: Logger | undefined;
}

/** A node of a development network. It stays the same over restarts and reverts, which the node inside does not. */
export class DevNode {
  readonly name: string;
  /** Owns its deposits and pays its gas; of the development mnemonic. */
  readonly account: DevAccount;
  readonly #init: DevNodeInit;
  #running: Running | undefined;
  #gone = false;

  constructor(init: DevNodeInit) {
    this.name = init.name;
    this.account = devAccount(nodeAccountIndex(init.number));
    this.#init = init;
  }

  /** The node itself, with everything `rivulet` exports. Throws `node_gone` after a revert to before its start. */
  get node(): RivuletNode {
    return this.#now().node;
  }

  /** Its HTTP API, where it has one. */
  get api(): Running["api"] {
    return this.#now().api;
  }

  /** Signs its payments: how its peers know it. */
  get signer(): Address {
    return this.node.signer;
  }

  /** The multiaddr other nodes connect to. */
  get address(): string {
    return this.node.addresses[0]!;
  }

  get directory(): string {
    return this.#init.directory;
  }

  /** Starts it over what its directory holds. */
  async start(): Promise<void> {
    const { directory, rpcUrl, chainId, poll, listen, log, number, run } = this.#init;
    this.#running = await run(
      {
        directory,
        mnemonic: DEV_MNEMONIC,
        accountIndex: nodeAccountIndex(number),
        rpcUrl,
        chainId,
        escrow: DEV_CONTRACTS.escrow,
        listen: [listen],
        // The chain mines on demand and takes nothing back but by `evm_revert`, which nodes are taken along with.
        confirmations: 1,
        staleAfter: "never",
        poll,
        policy: {
          challengePeriod: { least: LEAST_CHALLENGE_PERIOD, most: MAX_CHALLENGE_PERIOD },
          mostMatchingDeposit: MOST_MATCHING_DEPOSIT,
        },
        ...(log && { log }),
      },
      number,
    );
  }

  /** Stops it, for ever when it is `gone`. */
  async stop(gone = false): Promise<void> {
    this.#gone ||= gone;
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }

  #now(): Running {
    if (this.#running !== undefined) return this.#running;
    if (this.#gone) throw new DevError({ code: "node_gone", fields: { name: this.name } });
    throw new DevError({ code: "network_closed", fields: {} });
  }
}
