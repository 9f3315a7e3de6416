import {
  adoptReturned,
  type BalanceProof,
  type ChannelState,
  checkResent,
  isQuiescent,
  liveWithdrawal,
  otherSide,
  proposeWithdrawal,
  type Refusal,
  receiveAck,
  receiveCloseSignature,
  receiveCredited,
  receiveReestablish,
  receiveStop,
  receiveUpdates,
  receiveWithdrawalSignature,
  reestablish,
  type Side,
  type SignedClose,
  sendUpdate,
  signClose,
  signWithdrawal,
  startClosing,
  stopForClose,
  type Update,
} from "../../../src/protocol/index.ts";
import { portsOf } from "../support/channel.ts";
import { disputed, observed, publishable } from "./chainSide.ts";
import { Disk, type Kept } from "./disk.ts";
import type { EscrowChain } from "./escrow.ts";
import type { Message, WithdrawalMessage } from "./message.ts";
import type { Reached } from "./reached.ts";

/** Updates beyond a gap that are kept while what is missing may still come. */
const MAX_HELD = 64;

/** Seconds that a signed close must have left to be announced on a new connection: longer than anything is in flight. */
const LEAST_LEFT_OF_CLOSE = 300n;

/**
 * A node around the ledger, with the durability that the protocol asks for and nothing more: what binds us leaves
 * only once synced, an update that we pay with leaves once written.
 */
export class Peer {
  readonly side: Side;
  readonly #disk: Disk;
  /** Leaves with the next sync. */
  #outbox: Message[] = [];
  /** In flight to the other side. */
  wire: Message[] = [];
  connected = false;
  #heard = false;
  #progress: BalanceProof | undefined;
  #returned: Update[] = [];
  #held: Update[] = [];
  /** What could not be answered while behind. */
  #deferred: Message[] = [];
  readonly #chain: EscrowChain;
  readonly #reached: Reached;
  readonly #onRefusal: (refusal: Refusal, message: Message | undefined) => void;

  constructor(
    state: ChannelState,
    chain: EscrowChain,
    reached: Reached,
    onRefusal: (refusal: Refusal, message: Message | undefined) => void,
  ) {
    this.side = state.side;
    this.#disk = new Disk({ state, sent: [], received: [] });
    this.#chain = chain;
    this.#reached = reached;
    this.#onRefusal = onRefusal;
  }

  get state(): ChannelState {
    return this.kept.state;
  }

  get kept(): Kept {
    return this.#disk.newest;
  }

  /** What would survive a power cut now. */
  get durable(): Kept {
    return this.#disk.durable;
  }

  /** Both sides have re-established: new things may be signed. */
  get isReady(): boolean {
    return this.connected && this.#heard && this.state.behind === undefined;
  }

  get isIdle(): boolean {
    return this.wire.length === 0 && this.#outbox.length === 0 && this.#held.length === 0;
  }

  // Durability

  #commit(state: ChannelState, change: Partial<Kept> = {}): void {
    const before = this.kept;
    if (state === before.state && Object.keys(change).length === 0) return;
    this.#disk.write({ ...before, ...change, state });
    if (state.terms.announced !== before.state.terms.announced && this.isReady) {
      this.#outbox.push({ kind: "credited", credits: state.terms.announced });
    }
  }

  /** Becomes what the thief wants to be: no honest node does. */
  pretend(kept: Kept): void {
    this.#disk.write(kept);
  }

  sync(): void {
    this.#disk.sync();
    this.wire.push(...this.#outbox);
    this.#outbox = [];
  }

  /** The process dies: everything written is still there. */
  kill(): void {
    this.#disk.sync();
    this.disconnect();
  }

  /** Only the first `kept` writes since the last sync survive. Returns how many were lost. */
  losePower(kept: number): number {
    const lost = this.#disk.losePower(kept);
    this.disconnect();
    return lost;
  }

  // The connection

  disconnect(): void {
    this.connected = false;
    this.#heard = false;
    this.wire = [];
    this.#outbox = [];
    this.#held = [];
    this.#deferred = [];
    this.#progress = undefined;
    this.#returned = [];
  }

  /** What we say must survive us: synced before it is said. */
  connect(): void {
    this.disconnect();
    this.sync();
    this.connected = true;
    this.wire.push({ kind: "reestablish", reestablish: reestablish(this.state) });
  }

  /** Takes messages in the order given; consecutive updates are one run. */
  receive(messages: readonly Message[]): void {
    for (let i = 0; i < messages.length && this.connected; ) {
      const message = messages[i]!;
      if (message.kind !== "update") {
        this.#receiveOne(message);
        i++;
        continue;
      }
      let end = i;
      while (messages[end]?.kind === "update") end++;
      const run = messages.slice(i, end).map((update) => (update as { update: Update }).update);
      this.#receiveRun(run, message);
      i = end;
    }
    this.#advanceClose();
  }

  #receiveOne(message: Message): void {
    const { state } = this;
    const ports = portsOf(this.side);
    const mustWait = message.kind === "stop" || message.kind === "propose";
    if (state.behind !== undefined && mustWait) {
      this.#deferred.push(message);
      return;
    }
    switch (message.kind) {
      case "reestablish":
        this.#reestablish(message);
        return;
      case "returned":
        this.#adopt(message.update);
        return;
      case "ack":
        this.#take(receiveAck(state, message.nonce), message);
        return;
      case "credited":
        this.#take(receiveCredited(state, message.credits), message);
        return;
      case "propose": {
        const step = signWithdrawal(state, message, this.#chain.newest.time, ports);
        if (!this.#take(step, message) || !step.ok) return;
        this.#outbox.push({ kind: "countersign", ...this.#withdrawalMessage(step.withdrawal.beneficiary)! });
        return;
      }
      case "countersign":
        this.#take(receiveWithdrawalSignature(state, message, ports), message);
        return;
      case "stop": {
        const isNew = state.terms.stop === undefined;
        if (!this.#take(receiveStop(state, message.nonce), message) || !isNew) return;
        this.#outbox.push({ kind: "stop", nonce: this.state.terms.stop!.ours });
        return;
      }
      case "closeSign": {
        const step = receiveCloseSignature(state, message, this.#chain.newest.time, ports);
        if (this.#take(step, message) && step.ok && this.side === 1) this.#sendCloseSignature(step.close);
        return;
      }
    }
  }

  /** Adopts the state of a step, or reports its refusal. */
  #take(
    step: { readonly ok: true; readonly state: ChannelState } | Refusal,
    message: Message | undefined,
  ): boolean {
    if (step.ok) this.#commit(step.state);
    else this.#onRefusal(step, message);
    return step.ok;
  }

  #reestablish(message: Message & { kind: "reestablish" }): void {
    const step = receiveReestablish(this.state, message.reestablish, portsOf(this.side));
    if (!step.ok) {
      this.#onRefusal(step, message);
      return;
    }
    this.#commit(step.state);
    this.#heard = true;
    for (const update of this.kept.sent.slice(Number(step.resendFrom) - 1)) {
      this.wire.push({ kind: "update", update });
    }
    const returned = this.kept.received.slice(Number(step.returnFrom) - 1);
    for (const update of returned) this.wire.push({ kind: "returned", update });
    this.#reached.count("updates returned", returned.length);
    if (this.state.behind !== undefined) {
      this.#reached.count("behind");
      this.#progress = this.state.sent;
      return;
    }
    this.#establish();
  }

  /** What was announced or signed before is said again, byte for byte. */
  #establish(): void {
    const { stop } = this.state.terms;
    // Said again when it is about to lapse, a stop reaches a side for which it has lapsed: that one would stop anew,
    // and take what we pay after our own lapse for a lie.
    const left = (stop?.signed?.deadline ?? 0n) - this.#chain.newest.time;
    const dying = stop?.signed !== undefined && left < LEAST_LEFT_OF_CLOSE;
    if (stop !== undefined && !dying) {
      this.#outbox.push({ kind: "stop", nonce: stop.ours });
      if (stop.signed !== undefined) this.#sendCloseSignature(stop.signed);
    }
    const live = liveWithdrawal(this.state.terms, this.side);
    if (live !== undefined && live.signatures[otherSide(this.side)].length === 0) {
      this.#outbox.push({ kind: "propose", ...this.#withdrawalMessage(this.side)! });
    }
    const deferred = this.#deferred.splice(0);
    for (const message of deferred) this.#receiveOne(message);
  }

  #adopt(update: Update): void {
    const step = adoptReturned(this.state, this.#progress ?? this.state.sent, update, portsOf(this.side));
    if (!("kind" in step)) {
      this.#onRefusal(step, { kind: "returned", update });
      return;
    }
    this.#returned.push(update);
    if (step.kind === "missing") {
      this.#progress = step.progress;
      return;
    }
    this.#progress = undefined;
    this.#reached.count(step.kind);
    if (step.kind === "liability") {
      this.#commit(step.state);
      return;
    }
    const sent = [...this.kept.sent, ...this.#returned.splice(0)];
    this.#commit(step.state, { sent });
    // Acknowledged again where the payee accepted it; nothing to do while no close is live.
    for (const update of sent.slice(Number(step.state.acknowledged)))
      this.wire.push({ kind: "update", update });
    this.#establish();
  }

  #receiveRun(run: readonly Update[], message: Message): void {
    const newest = this.state.received.nonce;
    const fresh = run.filter(({ proof }) => proof.nonce > newest);
    for (const update of run.filter(({ proof }) => proof.nonce <= newest)) this.#receiveAgain(update);
    const held = [...this.#held, ...fresh].toSorted((a, b) => Number(a.proof.nonce - b.proof.nonce));
    this.#held = [];
    const unique = held.filter(({ proof }, i) => i === 0 || proof.nonce !== held[i - 1]!.proof.nonce);
    if (unique.length === 0) return;
    const result = receiveUpdates(this.state, unique, portsOf(this.side));
    if (result.taken > 0) {
      this.#commit(result.state, { received: [...this.kept.received, ...unique.slice(0, result.taken)] });
      if (result.evidence) this.#reached.count("evidence");
      else this.#outbox.push({ kind: "ack", nonce: result.state.accepted });
    }
    const rest = unique.slice(result.taken);
    if (result.refusal?.code === "nonce_gap" && rest.length <= MAX_HELD) {
      this.#reached.count("held beyond a gap");
      this.#held = rest;
    } else if (result.refusal !== undefined) {
      this.#onRefusal(result.refusal, message);
    }
  }

  #receiveAgain(update: Update): void {
    const stored = this.kept.received[Number(update.proof.nonce) - 1];
    const refusal = stored === undefined ? undefined : checkResent(update, stored);
    if (refusal !== undefined) {
      this.#onRefusal(refusal, { kind: "update", update });
      return;
    }
    this.#reached.count("resent");
    if (update.proof.nonce <= this.state.accepted)
      this.#outbox.push({ kind: "ack", nonce: this.state.accepted });
  }

  // The application

  /** Signs and sends one update, or says why not. */
  pay(entries: Uint8Array): Refusal | undefined {
    const step = sendUpdate(this.state, entries, portsOf(this.side));
    if (!step.ok) return step;
    this.#commit(step.state, { sent: [...this.kept.sent, step.update] });
    this.wire.push({ kind: "update", update: step.update });
    return undefined;
  }

  propose(total: bigint, deadline: bigint): Refusal | undefined {
    const step = proposeWithdrawal(this.state, total, deadline, this.#chain.newest.time, portsOf(this.side));
    if (!step.ok) return step;
    this.#commit(step.state);
    this.#outbox.push({ kind: "propose", ...this.#withdrawalMessage(this.side)! });
    return undefined;
  }

  stop(): Refusal | undefined {
    const step = stopForClose(this.state);
    if (!step.ok) return step;
    this.#commit(step.state);
    if (this.isReady) this.#outbox.push({ kind: "stop", nonce: step.state.terms.stop!.ours });
    return undefined;
  }

  forceClose(): void {
    this.#commit(startClosing(this.state));
    this.sync();
  }

  // The chain

  /** Looks at the chain, acts on a dispute. */
  observe(): void {
    const before = this.state.terms;
    this.#commit(observed(this.state, this.#chain));
    const { terms } = this.state;
    if (before.stop !== undefined && terms.stop === undefined) this.#reached.count("closes lapsed");
    this.#reached.count("withdrawals lapsed", before.withdrawals.length - terms.withdrawals.length);
    const dispute = disputed(this.state, this.#chain);
    if (dispute === undefined) return;
    this.#reached.count(dispute.kind);
    // A proof that is on chain and forgotten here could be taken for another with its nonce.
    this.sync();
    this.#chain.submit(dispute.transaction);
  }

  /** Brings what is fully signed on chain. */
  publish(): void {
    for (const { what, transaction } of publishable(this.state)) {
      this.#reached.count(what);
      this.#chain.submit(transaction);
    }
  }

  #advanceClose(): void {
    const { state } = this;
    const ready =
      this.side === 0 && this.isReady && isQuiescent(state) && state.terms.stop?.signed === undefined;
    if (!ready) return;
    const step = signClose(state, this.#chain.newest.time + 900n, portsOf(0));
    if (!this.#take(step, undefined) || !step.ok) return;
    this.#reached.count("closes signed");
    this.#sendCloseSignature(step.close);
  }

  #sendCloseSignature(close: SignedClose): void {
    const { transferred0, transferred1, deadline, signatures } = close;
    const signature = signatures[this.side];
    if (signature.length === 0) return;
    this.#outbox.push({ kind: "closeSign", transferred0, transferred1, deadline, signature });
  }

  #withdrawalMessage(beneficiary: Side): WithdrawalMessage | undefined {
    const live = liveWithdrawal(this.state.terms, beneficiary);
    if (live === undefined) return undefined;
    return { total: live.total, deadline: live.deadline, signature: live.signatures[this.side] };
  }
}
