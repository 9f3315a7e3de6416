import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { generateMnemonic } from "rivulet/crypto";
import { Child, type ChildError } from "./child.ts";
import type { ChainPlace, PayResult, PeerCalls, PeerNotice } from "./control.ts";
import type { Asset, Book, Name } from "./orders.ts";
import type { Tally } from "./tally.ts";

export interface PartyInit {
  readonly name: Name;
  /** For this party's files. */
  readonly directory: string;
  readonly chain: ChainPlace;
  readonly challengePeriod: number;
  readonly mostMatchingDeposit: bigint;
  readonly tally: Tally;
  readonly books: readonly Book[];
  readonly signal: AbortSignal;
  readonly onNotice: (name: Name, notice: PeerNotice) => void;
  readonly onLost: (error: ChildError) => void;
}

interface Stream {
  asked: number;
  paid: number;
}

/** One of the two: a node with its own keys and database, and an application whose notes outlive its process. */
export class Party {
  readonly name: Name;
  readonly #init: PartyInit;
  readonly #mnemonic = generateMnemonic();
  readonly #database: string;
  /** The first start chooses a free port, later ones listen where the other side expects us. */
  #listen = "/ip4/127.0.0.1/tcp/0";
  #child: Child<PeerCalls, PeerNotice> | undefined;
  /** Per channel, what it is in and the last update whose payments the application noted. */
  readonly #channels = new Map<string, { readonly asset: Asset; cursor: bigint }>();
  readonly #streams = new Map<number, Stream>();
  account = "";
  /** Where the other side connects to. */
  address = "";

  constructor(init: PartyInit) {
    this.name = init.name;
    this.#init = init;
    this.#database = join(init.directory, "database");
  }

  get node(): Child<PeerCalls, PeerNotice> {
    if (this.#child === undefined) throw new Error(`${this.name} does not run`);
    return this.#child;
  }

  /** Starts the process, or starts it again over what the last one left on disk. */
  async start(): Promise<void> {
    await mkdir(this.#init.directory, { recursive: true });
    const { account, address } = await this.#start(this.#database, this.#listen);
    this.account = account;
    this.address = address;
    this.#listen = address.split("/p2p/")[0]!;
    for (const [channelId, { cursor }] of this.#channels) {
      await this.node.call("watch", { channelId, after: cursor });
    }
  }

  /** Notes from now on what arrives on a channel. */
  async watch(channelId: string, asset: Asset): Promise<void> {
    this.#channels.set(channelId, { asset, cursor: 0n });
    await this.node.call("watch", { channelId, after: 0n });
  }

  /** Gives orders of a book to the node; rejects if the node refuses one or the process ends. */
  pay(channelId: string, book: Book, indices: readonly number[], window: number): Promise<PayResult> {
    this.#streams.set(book.number, { asked: 0, paid: 0 });
    return this.node.call("pay", { channelId, book, indices: Uint32Array.from(indices), window });
  }

  /** Payments given to the node whose receipts the application has not seen. */
  get unacknowledged(): number {
    let open = 0;
    for (const { asked, paid } of this.#streams.values()) open += asked - paid;
    return open;
  }

  /** Pulls the plug. */
  async kill(): Promise<void> {
    await this.#child?.kill();
    this.#child = undefined;
  }

  async stop(): Promise<void> {
    await this.#child?.call("stop", undefined);
    await this.#child?.end();
    this.#child = undefined;
  }

  /** Copies the database of a stopped node, as any backup program could. */
  async backUp(): Promise<void> {
    await cp(this.#database, this.#backup, { recursive: true });
  }

  /** Starts the node over the backup, out of the other side's reach. */
  async startBackup(): Promise<void> {
    await this.#start(this.#backup, "/ip4/127.0.0.1/tcp/0");
  }

  get #backup(): string {
    return `${this.#database}-backup`;
  }

  async #start(directory: string, listen: string) {
    const { name, chain, challengePeriod, mostMatchingDeposit, signal } = this.#init;
    this.#streams.clear();
    this.#child = new Child<PeerCalls, PeerNotice>({
      name,
      module: "./peer.ts",
      signal,
      onNotice: (notice) => this.#heard(notice),
      onLost: this.#init.onLost,
    });
    return this.#child.call("start", {
      name,
      directory,
      mnemonic: this.#mnemonic,
      chain,
      listen,
      challengePeriod,
      mostMatchingDeposit,
      log: join(this.#init.directory, "node.log"),
    });
  }

  #heard(notice: PeerNotice): void {
    const { tally, books, onNotice, name } = this.#init;
    if (notice.kind === "paid") {
      const stream = this.#streams.get(notice.book);
      if (stream !== undefined) {
        stream.asked = notice.asked;
        stream.paid += notice.paid.length;
      }
      tally.paid(books.find(({ number }) => number === notice.book)!, notice.paid);
    } else if (notice.kind === "received") {
      const channel = this.#channels.get(notice.channelId)!;
      channel.cursor = notice.nonce;
      const book = books.find(({ asset, payer }) => asset === channel.asset && payer !== name)!;
      for (const [at, amount] of notice.amounts.entries()) {
        tally.received(book, notice.ids.slice(at * 32, at * 32 + 32), amount);
      }
    }
    onNotice(name, notice);
  }
}
