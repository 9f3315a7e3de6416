import {
  countedWithdrawn,
  isLie,
  newChannelState,
  otherSide,
  type Refusal,
  type Side,
  sendCapacity,
} from "../../../src/protocol/index.ts";
import { CHANNEL, CHANNEL_ID, describeRefusal, payments } from "../support/channel.ts";
import type { Action } from "./action.ts";
import { Books, fail } from "./books.ts";
import { deposit, EscrowChain } from "./escrow.ts";
import type { Message } from "./message.ts";
import { Peer } from "./peer.ts";
import type { Reached } from "./reached.ts";

/** What happens to two honest nodes, and how often. */
export const HONEST_WEIGHTS = {
  pay: 30,
  deliver: 30,
  sync: 12,
  disturb: 5,
  cut: 2,
  reconnect: 8,
  kill: 1,
  losePower: 2,
  mine: 6,
  jump: 1,
  reorganise: 1,
  deposit: 1,
  propose: 2,
  publish: 2,
  stop: 1,
} as const;

export type HonestKind = keyof typeof HONEST_WEIGHTS;

/** Rounds in which everything in flight between two honest nodes must have arrived. */
const MAX_ROUNDS = 60;

/** What any carrier may lose, repeat or overtake; the rest travels in order or not at all. */
const DISTURBABLE: ReadonlySet<Message["kind"]> = new Set(["update", "ack", "credited"]);

/** Two honest nodes, everything that may happen between them, and how the channel ends. */
export class HonestWorld {
  readonly chain = new EscrowChain();
  readonly peers: readonly [Peer, Peer];
  readonly #reached: Reached;
  readonly #books = new Books();

  constructor(reached: Reached) {
    this.#reached = reached;
    const peer = (side: Side) =>
      new Peer(newChannelState(CHANNEL_ID, CHANNEL, side), this.chain, reached, (refusal, message) =>
        this.#refused(side, refusal, message),
      );
    this.peers = [peer(0), peer(1)];
    this.chain.submit(deposit(0, 1000n));
    this.chain.submit(deposit(1, 400n));
    for (let block = 0; block < 3; block++) this.#mine(12n);
    this.#connect();
    this.drain();
  }

  step({ kind, side, n }: Action<HonestKind>): void {
    this.#act(kind, side, n);
    for (const peer of this.peers) this.#books.check(peer, this.peers[otherSide(peer.side)]);
  }

  #act(kind: HonestKind, side: Side, n: number): void {
    const peer = this.peers[side];
    const acts: Record<HonestKind, () => void> = {
      pay: () => this.#pay(peer, n),
      deliver: () => this.#deliver(side, 1 + (n % 6)),
      sync: () => peer.sync(),
      disturb: () => this.#disturb(peer.wire, n),
      cut: () => this.#cut("cuts"),
      reconnect: () => {
        if (!peer.connected) this.#connect();
      },
      kill: () => {
        peer.kill();
        this.#cut("kills");
        peer.observe();
      },
      losePower: () => this.#losePower(n % 3 === 0 ? [side, otherSide(side)] : [side], n),
      mine: () => this.#mineUnevenly(side, n),
      jump: () => {
        // Nothing stays in flight for so long.
        this.#cut("jumps");
        this.#mine(BigInt(600 + (n % 3600)));
      },
      reorganise: () => this.#reorganise(1 + (n % 2)),
      deposit: () => this.chain.submit(deposit(side, BigInt(1 + (n % 300)))),
      propose: () => this.#propose(peer, n),
      publish: () => peer.publish(),
      stop: () => {
        // A stop ends the payments, so most are spared.
        if (n % 4 === 0) this.#count("stops", peer.stop());
      },
    };
    acts[kind]();
  }

  // What happens

  #pay(peer: Peer, n: number): void {
    if (!peer.isReady) return;
    const amounts = Array.from({ length: 1 + (n % 3) }, (_, i) =>
      BigInt(1 + ((n * (i + 7)) % (n % 5 === 0 ? 700 : 60))),
    );
    const entries = payments(...amounts);
    const refusal = peer.pay(entries);
    this.#count("updates sent", refusal);
    if (refusal !== undefined) return;
    this.#books.asked(entries);
  }

  #propose(peer: Peer, n: number): void {
    if (!peer.isReady) return;
    const { state } = peer;
    const available = sendCapacity(state);
    if (available <= 0n) return;
    const total = countedWithdrawn(state.terms, peer.side) + 1n + (BigInt(n) % available);
    this.#count(
      "withdrawals proposed",
      peer.propose(total, this.chain.newest.time + BigInt(600 + (n % 2900))),
    );
  }

  #deliver(from: Side, count: number): void {
    const messages = this.peers[from].wire.splice(0, count);
    this.peers[otherSide(from)].receive(messages);
  }

  /** Loses, repeats or swaps one message of what is in flight. */
  #disturb(wire: Message[], n: number): void {
    const at = n % Math.max(1, wire.length);
    const message = wire[at];
    if (message === undefined || !DISTURBABLE.has(message.kind)) return;
    const way = Math.floor(n / 7) % 3;
    if (way === 0) {
      wire.splice(at, 1);
      this.#reached.count("dropped");
    } else if (way === 1) {
      wire.splice(at + 1, 0, message);
      this.#reached.count("duplicated");
    } else if (wire[at + 1] !== undefined && DISTURBABLE.has(wire[at + 1]!.kind)) {
      wire.splice(at, 2, wire[at + 1]!, message);
      this.#reached.count("reordered");
    }
  }

  #cut(what: string): void {
    this.#reached.count(what);
    for (const peer of this.peers) peer.disconnect();
  }

  #connect(): void {
    for (const peer of this.peers) peer.connect();
  }

  #losePower(sides: readonly Side[], n: number): void {
    for (const side of sides) {
      const before = this.peers[side].state.sent.nonce;
      this.#reached.count("writes lost", this.peers[side].losePower(n % 5));
      this.#books.lostPower(this.peers[side], before);
    }
    this.#cut(sides.length === 2 ? "power losses of both" : "power losses");
    for (const side of sides) this.peers[side].observe();
  }

  #mine(seconds: bigint, reversed = false): void {
    this.chain.mine(seconds, reversed);
    for (const peer of this.peers) peer.observe();
  }

  /** A block that one side may see only together with the next. */
  #mineUnevenly(side: Side, n: number): void {
    this.chain.mine(BigInt(1 + (n % 15)), n % 2 === 0);
    this.peers[side].observe();
    if (n % 3 > 0) this.peers[otherSide(side)].observe();
  }

  #reorganise(depth: number): void {
    this.#reached.count("blocks reorganised", this.chain.reorganise(depth));
    for (const peer of this.peers) peer.observe();
  }

  #refused(side: Side, refusal: Refusal, message: Message | undefined): void {
    if (isLie(refusal) || refusal.code === "credit_lowered")
      fail(`side ${side} called an honest ${message?.kind} a lie: ${describeRefusal(refusal)}`);
    this.#reached.count(`refused ${refusal.code}`);
  }

  #count(what: string, refusal: Refusal | undefined): void {
    this.#reached.count(refusal === undefined ? what : `not done: ${refusal.code}`);
  }

  // How it ends

  /** Connects anew and lets everything arrive; then both must agree on everything. */
  drain(): void {
    for (const peer of this.peers) {
      peer.disconnect();
      peer.observe();
    }
    this.#connect();
    let rounds = 0;
    do {
      if (++rounds > MAX_ROUNDS) fail("two honest nodes never came to rest");
      for (const peer of this.peers) peer.sync();
      for (const side of [0, 1] as const) this.#deliver(side, Number.POSITIVE_INFINITY);
    } while (!this.peers.every((peer) => peer.isIdle));
    this.#books.recovered();
    for (const peer of this.peers) {
      const payee = this.peers[otherSide(peer.side)];
      this.#books.check(peer, payee);
      this.#books.agree(peer, payee);
    }
    this.#books.conserve(this.peers);
  }

  /** Ends the channel and compares what the chain pays with what each side owns. */
  finish(together: boolean, drained: boolean): void {
    if (drained) this.drain();
    const open = this.peers.every(({ state }) => state.terms.phase === "open");
    if (together && open) this.#closeTogether();
    if (this.chain.newest.state.status === "open") this.#closeAlone();
    this.#settle();
  }

  #closeTogether(): void {
    this.peers[0].stop();
    this.drain();
    // A close signed earlier may have lapsed on its way: then everything still waits for this one.
    for (let attempt = 0; attempt < 3; attempt++) {
      this.peers[1].publish();
      this.#mine(12n);
      if (this.chain.newest.state.status === "settled") {
        this.#reached.count("closed together");
        return;
      }
      for (const seconds of [4000n, 12n, 12n, 12n]) this.#mine(seconds);
      this.peers[0].stop();
      this.drain();
    }
    fail("two honest nodes could not close together");
  }

  #closeAlone(): void {
    this.peers[1].forceClose();
    this.#reached.count("closed alone");
    this.#mine(12n);
    if (!this.peers[0].connected) this.#connect();
    // What was in flight may still arrive: as evidence.
    for (const side of [0, 1, 0, 1] as const) {
      this.peers[side].sync();
      this.#deliver(side, Number.POSITIVE_INFINITY);
    }
  }

  #settle(): void {
    const step = 60n;
    for (let block = 0; block < 20 && this.chain.newest.state.status !== "settled"; block++) this.#mine(step);
    const { shares, deposits, withdrawn } = this.chain.newest.state;
    if (shares === undefined) fail("an honest node did not bring the channel to its end");
    for (let block = 0; block < 3; block++) this.#mine(12n);
    if (shares[0] + shares[1] !== deposits[0] + deposits[1] - withdrawn[0] - withdrawn[1])
      fail("not conserved");
    for (const side of [0, 1] as const) {
      const { state } = this.peers[side];
      if (state.terms.phase !== "settled") fail("settled on chain and not by the books");
      const owned = deposits[side] - withdrawn[side] + state.received.transferred - state.sent.transferred;
      if (shares[side] < owned) fail(`side ${side} got ${shares[side]} of ${owned}`);
      const [mine, theirs] = [state, this.peers[otherSide(side)].state];
      const whole = mine.received.nonce === theirs.sent.nonce && theirs.received.nonce === mine.sent.nonce;
      if (whole && shares[side] !== owned) fail(`side ${side} got ${shares[side]}, not ${owned}`);
      this.#reached.count(whole ? "settled to the unit" : "settled with something in flight");
    }
  }
}
