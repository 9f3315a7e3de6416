import { setTimeout as sleep } from "node:timers/promises";
import { HDNodeWallet } from "ethers";
import { Escrow } from "../../../src/chain/escrow.ts";
import { Eth } from "../../../src/chain/eth.ts";
import { Rpc } from "../../../src/chain/rpc.ts";
import { createCrypto, deriveKeys, generateMnemonic } from "../../../src/crypto/index.ts";
import { createPeerHost, type PeerHost } from "../../../src/p2p/host.ts";
import type { PeerSession } from "../../../src/p2p/session.ts";
import {
  type Address,
  addressOfPublicKey,
  type ChainReading,
  type Channel,
  type ChannelState,
  channelIdOf,
  Digests,
  type LedgerPorts,
  newChannelState,
  observeChain,
  otherSide,
  packTransfers,
  receiveAck,
  receiveCredited,
  receiveReestablish,
  receiveUpdates,
  reestablish,
  type Side,
  type SignedProof,
  sendUpdate,
  type Update,
  ZERO_ADDRESS,
} from "../../../src/protocol/index.ts";
import { type Message, type MessageKind, NO_LOCKS, type WithdrawMessage } from "../../../src/wire/message.ts";
import { CHALLENGE_PERIOD, FUNDS, type TestNode, type World } from "./world.ts";

const CHAIN_ID = 31337n;
const WAIT_MS = 10_000;

/** A payment of `amount` as an update carries it; each one has an id of its own. */
let ids = 0;
export function paymentOf(amount: bigint): Uint8Array {
  const paymentId = Buffer.alloc(16);
  paymentId.writeUInt32BE(++ids, 12);
  return packTransfers([{ paymentId, amount, applicationId: false, refund: false }]);
}

/**
 * A peer that keeps the protocol's ledger as an honest one does, and says whatever a test wants said. It has an
 * account with money and a channel with one honest node; both have deposited the same.
 */
export class Liar {
  readonly #world: World;
  readonly #host: PeerHost;
  readonly ports: LedgerPorts;
  readonly account: Address;
  readonly #wallet: HDNodeWallet;
  readonly victim: TestNode;
  /** Whether what it receives is acknowledged. */
  acks = true;
  #state: ChannelState | undefined;
  session: PeerSession | undefined;
  /** Everything it was told, in order. */
  readonly heard: Message[] = [];
  /** Why its sessions ended, in order. */
  readonly endings: { readonly code: string; readonly told: string | undefined }[] = [];
  readonly sent: Update[] = [];

  private constructor(
    world: World,
    victim: TestNode,
    host: PeerHost,
    ports: LedgerPorts,
    wallet: HDNodeWallet,
  ) {
    this.#world = world;
    this.victim = victim;
    this.#host = host;
    this.ports = ports;
    this.#wallet = wallet;
    this.account = wallet.address.toLowerCase() as Address;
  }

  /** A liar with an open channel to `victim`, in the native coin. */
  static async open(world: World, victim: TestNode, deposit: bigint): Promise<Liar> {
    const mnemonic = generateMnemonic();
    const keys = deriveKeys(mnemonic);
    const crypto = await createCrypto({});
    const wallet = HDNodeWallet.fromPhrase(mnemonic).connect(world.chain.provider);
    await world.chain.provider.send("anvil_setBalance", [wallet.address, `0x${FUNDS.toString(16)}`]);
    const digests = new Digests(CHAIN_ID, world.escrowAddress, crypto.keccak256);
    let liar: Liar;
    const host = await createPeerHost({
      peerSeed: keys.peerSeed,
      signerKey: keys.signer,
      participant: wallet.address.toLowerCase() as Address,
      chainId: CHAIN_ID,
      escrow: world.escrowAddress,
      crypto,
      listen: [],
      handlers: {
        onSession: (session) => {
          liar.session = session;
        },
        onMessages: (session, messages) => {
          for (const message of messages) liar.#hear(message, session);
        },
        onSessionClosed: (session, { code, fields }) => {
          if (liar.session === session) liar.session = undefined;
          liar.endings.push({ code, told: fields.code === undefined ? undefined : String(fields.code) });
        },
      },
    });
    await host.start();
    liar = new Liar(world, victim, host, { crypto, digests, signerKey: keys.signer }, wallet);
    await liar.connect();
    await liar.#openChannel(deposit);
    return liar;
  }

  get state(): ChannelState {
    if (this.#state === undefined) throw new Error("no channel yet");
    return this.#state;
  }

  set state(state: ChannelState) {
    this.#state = state;
  }

  get channelId(): ChannelState["id"] {
    return this.state.id;
  }

  async connect(): Promise<void> {
    this.endings.length = 0;
    await this.#host.connect(this.victim.node.addresses[0]!, { signal: AbortSignal.timeout(WAIT_MS) });
    await this.until("a session", () => this.session !== undefined);
  }

  async disconnect(): Promise<void> {
    await this.session?.close();
    await this.until("the end of the session", () => this.session === undefined);
  }

  say(message: Message): void {
    this.session?.send(message);
  }

  /** Signs the next update of its own direction, honestly, without sending it. */
  sign(entries: Uint8Array): Update {
    const step = sendUpdate(this.state, entries, this.ports);
    if (!step.ok) throw new Error(step.code);
    this.state = step.state;
    this.sent.push(step.update);
    return step.update;
  }

  /** Believes to have ten times what it has. */
  dream(): void {
    const { terms } = this.state;
    const [deposit0, deposit1] = terms.announced.deposits;
    const deposits = [10n * deposit0, 10n * deposit1] as const;
    const credited = { ...terms.credited, deposits, withdrawn: [0n, 0n] as const };
    this.state = { ...this.state, terms: { ...terms, credited } };
  }

  /** Signs any proof at all: its own key signs whatever it likes. */
  signProof(proof: Omit<SignedProof, "signature">): SignedProof {
    const digest = this.ports.digests.balanceProof(this.state.idBytes, proof);
    return { ...proof, signature: this.ports.crypto.ecdsa.sign(digest, this.ports.signerKey) };
  }

  pay(update: Update): void {
    this.say({ kind: "update", channelId: this.channelId, update });
  }

  /** Resolves with the first message of this kind that fits. */
  async told<Kind extends MessageKind>(
    kind: Kind,
    fits: (message: Extract<Message, { kind: Kind }>) => boolean = () => true,
  ): Promise<Extract<Message, { kind: Kind }>> {
    type Wanted = Extract<Message, { kind: Kind }>;
    const find = () => this.heard.find((m): m is Wanted => m.kind === kind && fits(m as Wanted));
    await this.until(`a "${kind}"`, () => find() !== undefined);
    return find()!;
  }

  /** Resolves with the code by which the victim ended the session. */
  async thrownOut(): Promise<string | undefined> {
    await this.until("being thrown out", () => this.endings.length > 0);
    return this.endings.at(-1)!.told;
  }

  async until(what: string, done: () => boolean): Promise<void> {
    for (const end = Date.now() + WAIT_MS; !done(); await sleep(10)) {
      if (Date.now() > end)
        throw new Error(`${what} did not come; heard ${this.heard.map(({ kind }) => kind)}`);
    }
  }

  async stop(): Promise<void> {
    await this.#host.stop();
  }

  async #openChannel(deposit: bigint): Promise<void> {
    const { session } = this;
    const { signer: theirs, participant: victim } = session!.remote;
    const ours = addressOfPublicKey(
      this.ports.crypto.ecdsa.publicKey(this.ports.signerKey),
      this.ports.crypto.keccak256,
    );
    const side: Side = this.account < victim ? 0 : 1;
    const pair = <T>(mine: T, other: T): [T, T] => (side === 0 ? [mine, other] : [other, mine]);
    const [participant0, participant1] = pair(this.account, victim);
    const [signer0, signer1] = pair(ours, theirs);
    const channel: Channel = {
      participant0,
      participant1,
      signer0,
      signer1,
      token: ZERO_ADDRESS,
      challengePeriod: CHALLENGE_PERIOD,
      salt: 1n,
    };
    const { escrowAddress, escrow } = this.#world;
    const id = channelIdOf(channel, CHAIN_ID, escrowAddress, this.ports.crypto.keccak256);
    this.state = newChannelState(id, channel, side);
    this.say({ kind: "openChannel", channel, deposit, requestedDeposit: deposit, lockLimits: NO_LOCKS });
    await this.told("acceptChannel");
    await (
      await escrow.connect(this.#wallet).deposit(channel, this.account, deposit, { value: deposit })
    ).wait();
    await this.told("credited", ({ credits }) => credits.deposits.every((credited) => credited === deposit));
    const reading: ChainReading = {
      status: "open",
      deposits: [deposit, deposit],
      withdrawn: [0n, 0n],
      deadline: 0n,
      recorded: [0n, 0n],
    };
    this.state = observeChain(this.state, reading, reading);
    this.credit();
    await this.victim.node.ready(id, { signal: AbortSignal.timeout(WAIT_MS) });
    while ((await this.victim.node.channel(id)).sendCapacity < deposit) await sleep(10);
  }

  /** Says what it counts, honestly. */
  credit(): void {
    this.say({ kind: "credited", channelId: this.channelId, credits: this.state.terms.announced });
  }

  #hear(message: Message, session: PeerSession): void {
    this.heard.push(message);
    if (!("channelId" in message) || message.channelId !== this.#state?.id) return;
    const { state, ports } = this;
    switch (message.kind) {
      case "reestablish":
        this.#reestablish(message.reestablish, session);
        break;
      case "credited": {
        const step = receiveCredited(state, message.credits);
        if (step.ok) this.state = step.state;
        break;
      }
      case "ack": {
        const step = receiveAck(state, message.nonce);
        if (step.ok) this.state = step.state;
        break;
      }
      case "update": {
        if (message.update.proof.nonce <= state.received.nonce) break;
        this.state = receiveUpdates(state, [message.update], ports).state;
        if (this.acks) this.acknowledge();
        break;
      }
    }
  }

  /** Acknowledges everything it holds. */
  acknowledge(): void {
    const { nonce } = this.state.received;
    this.say({ kind: "ack", channelId: this.channelId, nonce, chainTime: 0n });
  }

  #reestablish(theirs: Parameters<typeof receiveReestablish>[1], session: PeerSession): void {
    session.send({ kind: "reestablish", channelId: this.channelId, reestablish: reestablish(this.state) });
    const step = receiveReestablish(this.state, theirs, this.ports);
    if (!step.ok) return;
    this.state = step.state;
    for (const update of this.sent) {
      if (update.proof.nonce >= step.resendFrom) {
        session.send({ kind: "update", channelId: this.channelId, update });
      }
    }
    this.credit();
  }

  /** The totals of a cooperative close, with `change` added to its own. */
  signClose(change: bigint, deadline: bigint): Extract<Message, { kind: "closeSign" }> {
    const { side, sent, received, idBytes, id } = this.state;
    const own = sent.transferred + change;
    const totals =
      side === 0
        ? { transferred0: own, transferred1: received.transferred }
        : { transferred0: received.transferred, transferred1: own };
    const digest = this.ports.digests.cooperativeClose(idBytes, { ...totals, deadline });
    const signature = this.ports.crypto.ecdsa.sign(digest, this.ports.signerKey);
    return { kind: "closeSign", channelId: id, ...totals, deadline, signature };
  }

  /** A withdrawal in its own favour, signed by itself. */
  signWithdrawal(total: bigint, deadline: bigint): WithdrawMessage {
    const { idBytes, id } = this.state;
    const participant = this.account;
    const digest = this.ports.digests.withdrawal(idBytes, { participant, totalWithdrawn: total, deadline });
    const signature = this.ports.crypto.ecdsa.sign(digest, this.ports.signerKey);
    return { kind: "withdrawPropose", channelId: id, participant, total, deadline, signature };
  }

  /** Starts a close on chain by the newest proof it says it holds; the escrow does not know of newer ones. */
  async startClose(proof: SignedProof = this.state.received): Promise<void> {
    const { terms } = this.state;
    const none = new Uint8Array(0);
    const evidence = { proof, signature: proof.signature, endorsement: none, locks: [] };
    const eth = new Eth(new Rpc({ url: [this.victim.options.rpcUrl].flat()[0]! }));
    const escrow = new Escrow(this.#world.escrowAddress, eth);
    const intent = { deadline: 0n, closeSignature: none };
    const { to, data } = escrow.startClose(terms.channel, this.account, intent, evidence);
    await (await this.#wallet.sendTransaction({ to, data })).wait();
  }

  /** The victim's side of the channel. */
  get victimSide(): Side {
    return otherSide(this.state.side);
  }
}
