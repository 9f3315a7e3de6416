import {
  countedWithdrawn,
  fromHex,
  isLie,
  isQuiescent,
  NO_PROOF,
  newChannelState,
  otherSide,
  type Refusal,
  receiveCredited,
  type Side,
  type SignedProof,
  sendCapacity,
  type Update,
  withTerms,
} from "../../../src/protocol/index.ts";
import {
  CHALLENGE_PERIOD,
  CHANNEL,
  CHANNEL_ID,
  crypto,
  digests,
  KEYS,
  payments,
  STRANGER_KEY,
} from "../support/channel.ts";
import type { Action } from "./action.ts";
import type { Kept } from "./disk.ts";
import {
  challenge,
  closeCooperatively,
  deposit,
  EscrowChain,
  settle,
  startClose,
  type Transaction,
  withdraw,
} from "./escrow.ts";
import {
  falseClose,
  falseCredits,
  falseReestablish,
  forgedUpdate,
  pick,
  signedUpdate,
  signedWithdrawal,
} from "./lies.ts";
import type { Message } from "./message.ts";
import { Peer } from "./peer.ts";
import type { Reached } from "./reached.ts";

/** What happens between an honest node and a thief, and how often. */
export const THIEF_WEIGHTS = {
  // The channel lives, or there is nothing to steal.
  pay: 20,
  deliver: 30,
  sync: 8,
  reconnect: 10,
  mine: 6,
  jump: 1,
  propose: 5,
  stop: 1,
  cut: 1,
  losePower: 1,
  reorganise: 1,
  deposit: 1,
  // The thief.
  overspend: 3,
  forge: 4,
  rewind: 2,
  replay: 2,
  lieAboutCredit: 2,
  lieOnReconnecting: 2,
  returnForged: 1,
  askTooMuch: 3,
  answerFalsely: 2,
  stopFalsely: 1,
  signFalsely: 2,
  swallow: 2,
  publishLate: 3,
  closeStale: 1,
} as const;

export type ThiefKind = keyof typeof THIEF_WEIGHTS;

const ID = fromHex(CHANNEL_ID);
/** Seconds: a challenge period has a dozen blocks at least. */
const BLOCK_IN_DISPUTE = BigInt(CHALLENGE_PERIOD / 12);

/** What no honest node could call a lie: the thief takes every chance to. */
const LAWFUL: ReadonlySet<ThiefKind> = new Set<ThiefKind>([
  "pay",
  "deliver",
  "sync",
  "reconnect",
  "mine",
  "jump",
  "propose",
  "stop",
  "cut",
  "losePower",
  "reorganise",
  "deposit",
  "publishLate",
]);

/** An honest node against one that does anything its own key and everything it ever heard allow. */
export class ThiefWorld {
  readonly chain = new EscrowChain();
  readonly #reached: Reached;
  readonly #honestSide: Side;
  readonly #caution: number;
  readonly #honest: Peer;
  /** What the thief uses to look honest while it suits it. */
  readonly #mask: Peer;
  readonly #pasts: Kept[] = [];
  /** Every proof of the honest side that the thief ever saw. */
  readonly #proofs: SignedProof[] = [];
  /** Every update the thief ever signed. */
  readonly #own: Update[] = [];
  /** What the honest side has signed for the chain. */
  readonly #signedTransactions: Transaction[] = [];
  /** All the honest side ever signed away, what it forgot included. */
  #paidOut = 0n;

  /** `caution`: the thief dares one of so many chances. One that lies all the time never gets to own anything. */
  constructor(honestSide: Side, caution: number, reached: Reached) {
    this.#caution = caution;
    this.#reached = reached;
    this.#honestSide = honestSide;
    const peer = (side: Side, onRefusal: (refusal: Refusal) => void) =>
      new Peer(newChannelState(CHANNEL_ID, CHANNEL, side), this.chain, reached, onRefusal);
    this.#honest = peer(honestSide, (refusal) => this.#refused(refusal));
    this.#mask = peer(otherSide(honestSide), () => {});
    this.chain.submit(deposit(0, 1000n));
    this.chain.submit(deposit(1, 600n));
    for (let block = 0; block < 3; block++) this.#mine(12n);
    this.#connect();
    for (let round = 0; round < 4; round++) this.#exchange();
  }

  step({ kind, side, n: chance }: Action<ThiefKind>): void {
    const lawful = LAWFUL.has(kind);
    if (!lawful && chance % this.#caution > 0) return;
    const n = lawful ? chance : Math.floor(chance / this.#caution);
    const acts: Record<ThiefKind, () => void> = {
      pay: () => (side === this.#honestSide ? this.#payHonestly(n) : this.#payAsThief(n)),
      deliver: () => (side === this.#honestSide ? this.#hear(1 + (n % 5)) : this.#tell(1 + (n % 5))),
      sync: () => (side === this.#honestSide ? this.#honest.sync() : this.#mask.sync()),
      reconnect: () => {
        if (!this.#honest.connected) this.#connect();
      },
      mine: () => this.#mine(BigInt(1 + (n % 30)), n % 2 === 0),
      jump: () => this.#mine(BigInt(600 + (n % 3600))),
      propose: () => this.#propose(side === this.#honestSide ? this.#honest : this.#mask, n),
      stop: () => {
        if (n % 4 === 0) this.#honest.stop();
      },
      cut: () => this.#cut(),
      losePower: () => {
        this.#honest.losePower(n % 4);
        this.#cut();
        this.#honest.observe();
      },
      reorganise: () => {
        this.chain.reorganise(1 + (n % 2));
        this.#observe();
      },
      deposit: () => this.chain.submit(deposit(side, BigInt(1 + (n % 300)))),
      overspend: () => this.#overspend(n),
      forge: () => this.#forge(n),
      rewind: () => this.#rewind(n),
      replay: () => this.#replay(n),
      lieAboutCredit: () => this.#lieAboutCredit(n),
      lieOnReconnecting: () => this.#lieOnReconnecting(n),
      returnForged: () =>
        this.#say({ kind: "returned", update: pick(this.#own, n) ?? forgedUpdate(this.#mask.state, n) }),
      askTooMuch: () => this.#askTooMuch(n),
      answerFalsely: () => this.#answerFalsely(n),
      stopFalsely: () =>
        this.#say({ kind: "stop", nonce: this.#mask.state.sent.nonce + BigInt((n % 5) - 2) }),
      signFalsely: () => this.#signFalsely(n),
      swallow: () => this.#listen(this.#honest.wire.splice(0, 1 + (n % 3))),
      publishLate: () => this.#publishLate(n),
      closeStale: () => {
        // A close ends the channel: most are spared.
        if (n % 5 === 0) this.#closeStale(n);
      },
    };
    acts[kind]();
    if (!lawful) this.#reached.count(kind);
    this.#pasts.push(this.#mask.kept);
  }

  // Both, honestly

  #payHonestly(n: number): void {
    const { state } = this.#honest;
    if (!this.#honest.isReady) return;
    const most = sendCapacity(state);
    const amount = BigInt(1 + (n % (n % 5 === 0 ? 900 : 60)));
    if (most < amount || this.#honest.pay(payments(amount)) !== undefined) return;
    this.#paidOut += amount;
    this.#reached.count("honest payments");
  }

  #payAsThief(n: number): void {
    if (this.#mask.pay(payments(BigInt(1 + (n % (n % 5 === 0 ? 900 : 60))))) !== undefined) return;
    this.#own.push(this.#mask.kept.sent.at(-1)!);
  }

  #propose(peer: Peer, n: number): void {
    peer.publish();
    const available = sendCapacity(peer.state);
    if (!peer.isReady || available <= 0n) return;
    const total = countedWithdrawn(peer.state.terms, peer.side) + 1n + (BigInt(n) % available);
    peer.propose(total, this.chain.newest.time + BigInt(60 + (n % 3000)));
  }

  #connect(): void {
    this.#honest.connect();
    this.#mask.connect();
  }

  #cut(): void {
    this.#honest.disconnect();
    this.#mask.disconnect();
  }

  #exchange(): void {
    this.#honest.sync();
    this.#mask.sync();
    this.#tell(Number.POSITIVE_INFINITY);
    this.#hear(Number.POSITIVE_INFINITY);
  }

  /** The honest side hears the thief. */
  #tell(count: number): void {
    this.#honest.receive(this.#mask.wire.splice(0, count));
  }

  /** The thief hears the honest side, and keeps what is worth keeping. */
  #hear(count: number): void {
    const messages = this.#honest.wire.splice(0, count);
    this.#listen(messages);
    this.#mask.receive(messages);
  }

  #listen(messages: readonly Message[]): void {
    const { state } = this.#mask;
    for (const message of messages) {
      if (message.kind === "update") this.#proofs.push(message.update.proof);
      if (message.kind === "countersign") {
        const { total, deadline, signature } = message;
        const own = signedWithdrawal(state.side, total, deadline, KEYS[state.side]).signature;
        this.#signedTransactions.push(withdraw(state.side, total, deadline, this.#pair(own, signature)));
      }
      if (message.kind === "closeSign") {
        const own = crypto.ecdsa.sign(digests.cooperativeClose(ID, message), KEYS[state.side]);
        this.#signedTransactions.push(closeCooperatively(message, this.#pair(own, message.signature)));
        this.#reached.count("closes agreed with the thief");
      }
    }
  }

  #pair(ofThief: Uint8Array, ofHonest: Uint8Array): readonly [Uint8Array, Uint8Array] {
    return this.#honestSide === 0 ? [ofHonest, ofThief] : [ofThief, ofHonest];
  }

  /** A lie costs the thief its connection. */
  #refused(refusal: Refusal): void {
    this.#reached.count(`refused ${refusal.code}`);
    if (isLie(refusal)) this.#cut();
  }

  #mine(seconds: bigint, reversed = false): void {
    // The chain is not the thief's: within a challenge period it takes an honest transaction in time.
    const closing = this.chain.newest.state.status === "closing";
    this.chain.mine(closing && seconds > BLOCK_IN_DISPUTE ? BLOCK_IN_DISPUTE : seconds, reversed);
    this.#observe();
  }

  #observe(): void {
    this.#honest.observe();
    this.#mask.observe();
  }

  // What the thief does

  #say(message: Message): void {
    if (this.#mask.connected) this.#mask.wire.push(message);
  }

  /** Signs away more than it has, and goes on from there as if it had it. */
  #overspend(n: number): void {
    const { state } = this.#mask;
    const amount = sendCapacity(state) + BigInt(1 + (n % 500));
    if (amount <= 0n || !this.#mask.connected) return;
    const sequence = n % 2 === 0 ? 0n : state.terms.credited.sequence;
    const update = { ...signedUpdate(state, payments(amount), {}), creditedSequence: sequence };
    this.#own.push(update);
    this.#say({ kind: "update", update });
  }

  #forge(n: number): void {
    const update = forgedUpdate(this.#mask.state, n);
    this.#say({ kind: "update", update });
    // A bad one before a good one: the newest signature must not excuse what came before.
    if (n % 2 === 0) this.#payAsThief(n);
  }

  /** Back to an earlier self, to sign other content under the same nonces. */
  #rewind(n: number): void {
    const past = pick(this.#pasts, n);
    if (past !== undefined) this.#mask.pretend(past);
  }

  #replay(n: number): void {
    const update = pick(this.#own, n);
    if (update !== undefined) this.#say({ kind: "update", update });
    this.#say({ kind: "ack", nonce: this.#mask.state.received.nonce + BigInt((n % 5) - 2) });
  }

  #lieAboutCredit(n: number): void {
    const { announced } = this.#mask.state.terms;
    const credits = falseCredits(announced, n);
    this.#say({ kind: "credited", credits });
    // The mask goes on from the lie, or it would contradict itself with every word.
    const { state } = this.#mask;
    this.#mask.pretend({ ...this.#mask.kept, state: withTerms(state, { announced: credits }) });
    if (!receiveCredited(this.#honest.state, credits).ok) this.#reached.count("contradicting credits");
  }

  #lieOnReconnecting(n: number): void {
    this.#cut();
    this.#connect();
    this.#mask.wire.splice(0);
    const { state } = this.#mask;
    const old = pick(this.#proofs, n) ?? state.received;
    this.#say({ kind: "reestablish", reestablish: falseReestablish(state, old, n) });
  }

  /** A withdrawal of money that is not there, or of money that is just being spent. */
  #askTooMuch(n: number): void {
    const { state } = this.#mask;
    const { newest } = this.chain;
    const all = sendCapacity(state) + countedWithdrawn(state.terms, state.side);
    const total = n % 3 === 0 ? all : all + BigInt((n % 400) - 100);
    if (total < 0n) return;
    const deadline = newest.time + BigInt(pick([1, 600, 3600, 3601, 100_000], Math.floor(n / 3))!);
    const key = n % 7 === 0 ? STRANGER_KEY : KEYS[state.side];
    this.#say({ kind: "propose", ...signedWithdrawal(state.side, total, deadline, key) });
    // Spends it at the same time.
    if (n % 2 === 0) this.#payAsThief(n);
  }

  #answerFalsely(n: number): void {
    const live = this.#honest.state.terms.withdrawals.find(
      ({ beneficiary }) => beneficiary === this.#honestSide,
    );
    if (live === undefined) return;
    const beneficiary = pick([live.beneficiary, this.#mask.side], Math.floor(n / 3))!;
    const total = live.total + BigInt(n % 3);
    this.#say({
      kind: "countersign",
      ...signedWithdrawal(beneficiary, total, live.deadline, KEYS[this.#mask.side]),
    });
  }

  /** A close whose totals or deadline suit the thief, asked for whether or not everything has arrived. */
  #signFalsely(n: number): void {
    const { state } = this.#mask;
    if (n % 3 === 0) this.#say({ kind: "stop", nonce: state.sent.nonce });
    const known = this.#honest.state.terms.stop?.signed?.deadline;
    const close = falseClose(
      state,
      known ?? this.chain.newest.time + BigInt(pick([5, 900, 3600, 9000], n)!),
      n,
    );
    this.#say({ kind: "closeSign", ...close });
    if (isQuiescent(this.#honest.state)) this.#reached.count("false signatures at rest");
  }

  /** Keeps what was signed until it hurts most. */
  #publishLate(n: number): void {
    const transaction = pick(this.#signedTransactions, n);
    if (transaction === undefined) return;
    this.chain.submit(transaction);
    this.#reached.count("published late");
    this.#mine(BigInt(pick([1, 12, 600, 899, 900, 3000], n)!), n % 2 === 0);
  }

  /** Closes with the proof that suits it best: any, or none. */
  #closeStale(n: number): void {
    const proof = pick([NO_PROOF, ...this.#proofs], n);
    if (proof === undefined) return;
    this.chain.submit(startClose(this.#mask.side, proof));
    this.#reached.count("stale closes");
    this.#mine(12n);
  }

  // How it ends

  /** The honest side closes alone, against a thief that submits whatever it has, and must get what it owns. */
  finish(n: number): void {
    this.#honest.sync();
    this.#honest.forceClose();
    const best = this.#proofs.reduce<SignedProof | undefined>(
      (most, proof) => (most !== undefined && most.transferred >= proof.transferred ? most : proof),
      undefined,
    );
    for (let block = 0; block < 30 && this.chain.newest.state.status !== "settled"; block++) {
      if (block === n % 4) for (const transaction of this.#signedTransactions) this.chain.submit(transaction);
      if (block === n % 3 && best !== undefined) this.chain.submit(challenge(this.#honestSide, best));
      this.chain.submit(settle);
      this.#mine(BLOCK_IN_DISPUTE, n % 2 === 0);
    }
    const { shares, deposits, withdrawn } = this.chain.newest.state;
    if (shares === undefined) throw new Error("the honest side did not bring the channel to its end");
    const side = this.#honestSide;
    // Only what it acknowledged and served is owed to it: a thief may always send more when it is too late. What it
    // accepted as late as the confirmed settlement counts, since it serves that too.
    for (let block = 0; block < 3; block++) this.#mine(12n);
    const { accepted } = this.#honest.state;
    const paidIn = accepted === 0n ? 0n : this.#honest.kept.received[Number(accepted) - 1]!.proof.transferred;
    const owned = deposits[side] - withdrawn[side] + paidIn - this.#paidOut;
    this.#reached.count(shares[side] === owned ? "honest side got exactly its own" : "honest side got more");
    if (shares[side] < owned) {
      throw new Error(`the honest side got ${shares[side]} of ${owned}: ${owned - shares[side]} were stolen`);
    }
  }
}
