import { createCrypto } from "../../../src/crypto/create.ts";
import {
  type Address,
  addressFromBytes,
  addressOfPublicKey,
  type ChainReading,
  type Channel,
  type ChannelState,
  channelIdOf,
  Digests,
  fromHex,
  type LedgerPorts,
  newChannelState,
  observeChain,
  packTransfers,
  type Refusal,
  type RefusalCode,
  receiveAck,
  receiveCredited,
  receiveUpdates,
  type Side,
  sendUpdate,
  type Update,
  viewOf,
  ZERO_ADDRESS,
} from "../../../src/protocol/index.ts";

export const crypto = await createCrypto();
export const CHAIN_ID = 31337n;
export const ESCROW = `0x${"e5".repeat(20)}` as Address;
export const KEYS: readonly [Uint8Array, Uint8Array] = [
  fromHex(`0x${"11".repeat(32)}`),
  fromHex(`0x${"22".repeat(32)}`),
];
export const STRANGER_KEY = fromHex(`0x${"33".repeat(32)}`);
/** The newest block's time in these tests. */
export const NOW = 1_800_000_000n;
/** Seconds. */
export const CHALLENGE_PERIOD = 600;

export const digests = new Digests(CHAIN_ID, ESCROW, crypto.keccak256);

export function addressOfKey(key: Uint8Array): Address {
  return addressOfPublicKey(crypto.ecdsa.publicKey(key), crypto.keccak256);
}

/** Side 0 names a signer of its own, side 1 signs as the participant: both forms in every test. */
export const CHANNEL: Channel = {
  participant0: addressFromBytes(new Uint8Array(20).fill(1)),
  participant1: addressOfKey(KEYS[1]),
  signer0: addressOfKey(KEYS[0]),
  signer1: ZERO_ADDRESS,
  token: ZERO_ADDRESS,
  challengePeriod: CHALLENGE_PERIOD,
  salt: 7n,
};
export const CHANNEL_ID = channelIdOf(CHANNEL, CHAIN_ID, ESCROW, crypto.keccak256);

export function portsOf(side: Side): LedgerPorts {
  return { crypto, digests, signerKey: KEYS[side] };
}

export function reading(change: Partial<ChainReading> = {}): ChainReading {
  return {
    status: "open",
    deposits: [1000n, 1000n],
    withdrawn: [0n, 0n],
    deadline: 0n,
    recorded: [0n, 0n],
    ...change,
  };
}

/** A confirmed reading is all there is: the tip says the same. */
export function observed(state: ChannelState, change: Partial<ChainReading> = {}): ChannelState {
  return observeChain(state, reading(change), reading(change));
}

export type Pair = [ChannelState, ChannelState];

/** Both sides of a channel that neither has seen on chain. */
export function openingPair(): Pair {
  return [newChannelState(CHANNEL_ID, CHANNEL, 0), newChannelState(CHANNEL_ID, CHANNEL, 1)];
}

/** Both sides of an open channel, each having heard what the other counts. */
export function openPair(change: Partial<ChainReading> = {}): Pair {
  const [a, b] = openingPair();
  return announced([observed(a, change), observed(b, change)]);
}

/** Each side hears the other's newest announcement. */
export function announced([a, b]: Pair): Pair {
  return [
    unwrap(receiveCredited(a, b.terms.announced)).state,
    unwrap(receiveCredited(b, a.terms.announced)).state,
  ];
}

let paymentCounter = 0n;

export function nextPaymentId(): Uint8Array {
  const id = new Uint8Array(16);
  viewOf(id).setBigUint64(8, ++paymentCounter);
  return id;
}

/** Packed entries that pay `amounts`, each under an id of its own. */
export function payments(...amounts: bigint[]): Uint8Array {
  return packTransfers(
    amounts.map((amount) => ({
      paymentId: nextPaymentId(),
      amount,
      applicationId: false,
      refund: false,
    })),
  );
}

/** `state` after sending one update, and the update. */
export function sent(state: ChannelState, ...amounts: bigint[]): { state: ChannelState; update: Update } {
  return unwrap(sendUpdate(state, payments(...amounts), portsOf(state.side)));
}

/** `state` after taking `updates`, all of which it must take. */
export function received(state: ChannelState, ...updates: Update[]): ChannelState {
  const result = receiveUpdates(state, updates, portsOf(state.side));
  if (result.refusal !== undefined) throw new Error(`refused: ${describeRefusal(result.refusal)}`);
  return result.state;
}

/** One acknowledged update of `amounts` from `payer`. */
export function paid([a, b]: Pair, payer: Side, ...amounts: bigint[]): Pair {
  const step = sent(payer === 0 ? a : b, ...amounts);
  const payee = received(payer === 0 ? b : a, step.update);
  const payerState = unwrap(receiveAck(step.state, payee.accepted)).state;
  return payer === 0 ? [payerState, payee] : [payee, payerState];
}

/** `update` with another proof, signed by `key`. */
export function resigned(update: Update, change: Partial<Update["proof"]>, key: Uint8Array): Update {
  const unsigned = { ...update.proof, ...change };
  const signature = crypto.ecdsa.sign(digests.balanceProof(fromHex(CHANNEL_ID), unsigned), key);
  return { ...update, proof: { ...unsigned, signature } };
}

/** The value of a step that must succeed. */
export function unwrap<T extends { readonly ok: true }>(step: T | Refusal): T {
  if (!step.ok) throw new Error(`refused: ${describeRefusal(step)}`);
  return step;
}

/** The code of a step that must be refused. */
export function codeOf(step: { readonly ok: boolean } | Refusal | undefined): RefusalCode {
  if (step === undefined || step.ok || !("code" in step)) throw new Error("was not refused");
  return step.code;
}

export function describeRefusal(refusal: Refusal): string {
  const fields = Object.entries(refusal.fields).map(([name, value]) => `${name}=${String(value)}`);
  return `${refusal.code} ${fields.join(" ")}`;
}
