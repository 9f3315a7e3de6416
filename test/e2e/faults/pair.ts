import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelId, NodeOptions } from "rivulet";
import { type Arena, CHALLENGE_PERIOD, type ChannelStatus, TOKENS } from "./arena.ts";
import type { Notice, Order, Standing } from "./control.ts";
import { PeerDied, PeerPool } from "./peerProcess.ts";
import { PLAIN, Player } from "./player.ts";
import { Broken, Tally } from "./tally.ts";
import { WireProxy } from "./wireProxy.ts";

export const DEPOSIT = 10n ** 15n;

const WAIT_MS = 20_000;

/** Which of the two, and at the same time which direction it pays in. */
export type Who = 0 | 1;

export const other = (who: Who): Who => (who === 0 ? 1 : 0);

/**
 * Two nodes in processes of their own, a wire between them that can fail, a channel over it, and two applications in
 * this process, which does not fail. The first node dials the second.
 */
export class Pair {
  readonly arena: Arena;
  readonly players: readonly [Player, Player];
  readonly wire: WireProxy;
  /** By who pays. */
  readonly tallies: readonly [Tally, Tally] = [new Tally("first to second"), new Tally("second to first")];
  readonly #pool: PeerPool;
  #channelId: ChannelId | undefined;
  #ids = 0;
  readonly #seed: number;
  /** The first contradiction an application noticed. */
  broken: unknown;
  /** Warnings that no failure of the kind that is tried may lead to. */
  forbidden: ReadonlySet<string> = new Set();
  onGate: (who: Who) => void = () => {};

  private constructor(
    arena: Arena,
    players: readonly [Player, Player],
    wire: WireProxy,
    pool: PeerPool,
    seed: number,
  ) {
    this.arena = arena;
    this.players = players;
    this.wire = wire;
    this.#pool = pool;
    this.#seed = seed;
    for (const who of [0, 1] as const) players[who].onNotice = (notice) => this.#take(who, notice);
  }

  static async open(
    arena: Arena,
    name: string,
    seed: number,
    overrides: Partial<NodeOptions> = {},
  ): Promise<Pair> {
    const pool = new PeerPool();
    const first = new Player(`${name}-first`, await arena.options(`${name}-first`, overrides), pool);
    const second = new Player(`${name}-second`, await arena.options(`${name}-second`, overrides), pool);
    const wire = await new WireProxy().start(second.port);
    for (const { account } of [first, second]) await arena.fund(account);
    const pair = new Pair(arena, [first, second], wire, pool, seed);
    await Promise.all([first.start(PLAIN), second.start(PLAIN)]);
    const peer = pair.address();
    await first.call("connect", { address: peer });
    pair.#channelId = await first.call("open", {
      peer,
      token: arena.tokenAddress,
      deposit: DEPOSIT,
      requestDeposit: DEPOSIT,
      challengePeriod: CHALLENGE_PERIOD,
    });
    await pair.settleIn();
    return pair;
  }

  get channelId(): ChannelId {
    if (this.#channelId === undefined) throw new Error("no channel yet");
    return this.#channelId;
  }

  /** Which side of the channel a node is: the lower account is side 0. */
  side(who: Who): 0 | 1 {
    return this.players[who].account < this.players[other(who)].account ? 0 : 1;
  }

  /** Where the first reaches the second: through the wire. */
  address(): string {
    return `/ip4/127.0.0.1/tcp/${this.wire.port}/p2p/${this.players[1].peerId}`;
  }

  /** Both run: connects them and waits until payments can leave on both sides. */
  async settleIn(): Promise<void> {
    const { channelId } = this;
    await this.connect();
    const ready = Promise.all(this.players.map((player) => player.call("ready", { channelId })));
    // A connection that was cut may still have passed for one, and the node's own next attempt may be far.
    while (await Promise.race([ready.then(() => false), sleep(100, true)])) await this.connect();
  }

  /** A node that still looks after its own affairs does not dial and is not reached: tried again for a while. */
  async connect(): Promise<void> {
    for (const end = Date.now() + WAIT_MS; ; await sleep(100)) {
      try {
        return void (await this.players[0].call("connect", { address: this.address() }));
      } catch (error) {
        if (this.broken !== undefined) throw this.broken;
        if (error instanceof PeerDied || Date.now() > end) throw error;
      }
    }
  }

  /** New orders in one direction, noted by the application as asked for. */
  orders(who: Who, count: number, amountOf: (i: number) => bigint): Order[] {
    const orders = Array.from({ length: count }, (_, i) => ({ id: this.#nextId(), amount: amountOf(i) }));
    this.tallies[who].ask(orders);
    return orders;
  }

  pay(who: Who, orders: readonly Order[], width: number): Promise<void> {
    return this.players[who].call("pay", { channelId: this.channelId, orders, width });
  }

  /** The applications ask again for what has no answer, and read what they were not told. */
  async resolve(): Promise<void> {
    await this.read();
    for (let tries = 0; tries < 3; tries++) {
      const open = this.tallies.map((tally) => tally.unresolved());
      if (open.every((orders) => orders.length === 0)) return;
      await Promise.all(open.map((orders, who) => this.pay(who as Who, orders, 16)));
    }
  }

  /** Reads what arrived since the first update each application missed, or all of it again. */
  async read(all = false): Promise<void> {
    await Promise.all(
      ([0, 1] as const).map(async (payer) => {
        const tally = this.tallies[payer];
        const after = all ? 0n : tally.seenTo;
        const updates = await this.players[other(payer)].call("received", {
          channelId: this.channelId,
          after,
        });
        for (const update of updates) tally.arrive(update);
      }),
    );
  }

  async standings(): Promise<readonly [Standing, Standing]> {
    const { channelId } = this;
    const [first, second] = await Promise.all(
      this.players.map((player) => player.call("standing", { channelId })),
    );
    return [first!, second!];
  }

  /** Nothing acknowledged is lost, nothing applied twice, both count the same, and it adds up. */
  async assertWhole(): Promise<void> {
    if (this.broken !== undefined) throw this.broken;
    await this.read();
    const [first, second] = await this.standings();
    const [out, back] = this.tallies;
    const totals = [first.sent, second.received, second.sent, first.received];
    const expected = [out.total, out.total, back.total, back.total];
    if (totals.some((total, i) => total !== expected[i])) {
      throw new Broken(`the nodes count ${totals.join(", ")}, the applications ${expected.join(", ")}`);
    }
    for (const tally of this.tallies) tally.assertWhole();
    const held = first.deposits[0] + first.deposits[1] - first.withdrawn[0] - first.withdrawn[1];
    if (first.sendCapacity + second.sendCapacity !== held) {
      throw new Broken(`${first.sendCapacity} and ${second.sendCapacity} are not the ${held} in the channel`);
    }
  }

  /** The chain has paid what the applications counted. Only when everything is settled. */
  async assertPaidOut(): Promise<void> {
    const [out, back] = this.tallies;
    const expected = [TOKENS - out.total + back.total, TOKENS + out.total - back.total];
    for (const [who, { name, account }] of this.players.entries()) {
      const balance = await this.arena.token.balanceOf(account);
      if (balance !== expected[who]) throw new Broken(`${name} has ${balance}, ${expected[who]} are its own`);
    }
  }

  /** Waits until a node shows a channel that is as wanted. */
  async until(who: Who, wanted: (standing: Standing) => boolean): Promise<Standing> {
    const { channelId } = this;
    for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(50)) {
      const standing = await this.players[who].call("standing", { channelId });
      if (wanted(standing)) return standing;
    }
    throw new Error(`${this.players[who].name} did not get there in time`);
  }

  /** Waits until the escrow itself shows the channel in a state. */
  async untilOnChain(status: ChannelStatus): Promise<void> {
    for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(50)) {
      if ((await this.arena.status(this.channelId)) === status) return;
    }
    throw new Error(`the channel is not ${status} on chain in time`);
  }

  async stop(): Promise<void> {
    await Promise.all(this.players.map((player) => player.kill()));
    await this.#pool.stop();
    await this.wire.stop();
  }

  #nextId(): string {
    const id = Buffer.alloc(16);
    id.writeUInt32BE(this.#seed >>> 0, 4);
    id.writeUInt32BE(++this.#ids, 12);
    return `0x${id.toString("hex")}`;
  }

  #take(who: Who, notice: Notice): void {
    try {
      if (notice.kind === "paid") this.tallies[who].paid(notice.id);
      else if (notice.kind === "arrived") this.tallies[other(who)].arrive(notice.update);
      else if (notice.kind === "gate") this.onGate(who);
      else if (notice.kind === "warning" && this.forbidden.has(notice.code)) throw new Broken(notice.message);
    } catch (error) {
      this.broken ??= error;
    }
  }
}
