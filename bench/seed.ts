import { randomBytes } from "node:crypto";
import type { Address, ChannelId } from "rivulet";
import { createCrypto } from "rivulet/crypto";
import {
  addressFromBytes,
  type Channel,
  type ChannelState,
  channelIdOf,
  extendHistory,
  type Keccak256,
  newChannelState,
  packTransfers,
  type Side,
  type SignedProof,
  sideOf,
  type Update,
  withTerms,
  ZERO_ADDRESS,
} from "rivulet/protocol";
import { BookJournal } from "../dist/node/books/journal.js";
import { Records } from "../dist/node/records.js";
import { encodeChannelState, encodeUpdate } from "../dist/store/channelRecord.js";
import { channelKey, updateKey } from "../dist/store/keys.js";
import { openDatabase } from "../dist/store/levelDatabase.js";
import type { Op } from "../dist/store/store.js";
import type { ChainPlace, NodePlace } from "./control.ts";

/** Channels written in one batch: small enough for the committer's queue. */
const BATCH = 1_000;

const DEPOSIT = 10n ** 15n;
const PAID = 1_000n;

export interface SeedOptions {
  readonly directory: string;
  /** The node whose database it is. */
  readonly owner: NodePlace;
  readonly chain: ChainPlace;
  readonly channels: number;
  /** Other sides, each with the same share of the channels. */
  readonly peers: number;
}

interface Peer {
  readonly account: Address;
  readonly signer: Address;
}

/**
 * Adds idle, open channels to a node's database through the store's own encoding and committer. Each is funded by
 * both sides and has carried one payment each way, whose update is kept beside it. What it lacks is a deposit on
 * this chain and signatures that verify: nobody asks for either before the channel is used.
 */
export async function seedChannels(options: SeedOptions): Promise<void> {
  const { keccak256 } = await createCrypto();
  const randomAddress = () => addressFromBytes(randomBytes(20));
  const peers = Array.from(
    { length: options.peers },
    (): Peer => ({ account: randomAddress(), signer: randomAddress() }),
  );
  const database = await openDatabase(options.directory);
  try {
    let ops: Op[] = [];
    for (let i = 0; i < options.channels; i++) {
      pushChannel(ops, options, peers[i % peers.length]!, BigInt(i), keccak256);
      if (i % BATCH !== BATCH - 1) continue;
      await database.committer.commit(ops, { sync: false });
      ops = [];
    }
    await database.committer.commit(ops, { sync: true });
    await new BookJournal(
      new Records(database.store, database.committer),
      database.store,
      database.committer,
    ).begin(new AbortController().signal);
  } finally {
    await database.close();
  }
}

function pushChannel(ops: Op[], options: SeedOptions, peer: Peer, salt: bigint, keccak256: Keccak256): void {
  const channel = channelBetween(options.owner, peer, salt);
  const { chainId, escrow } = options.chain;
  const id: ChannelId = channelIdOf(channel, chainId, escrow, keccak256);
  const side = sideOf(channel, options.owner.account)!;
  const blank = newChannelState(id, channel, side);
  const sent = firstUpdate(blank, keccak256);
  const received = firstUpdate(blank, keccak256);
  const state = openState(blank, sent.proof, received.proof);
  const other: Side = side === 0 ? 1 : 0;
  const now = Date.now();
  ops.push(
    { type: "put", key: channelKey(state.idBytes), value: encodeChannelState(state, 1) },
    { type: "put", key: updateKey(state.idBytes, side, 1n), value: encodeUpdate(sent, now) },
    { type: "put", key: updateKey(state.idBytes, other, 1n), value: encodeUpdate(received, now) },
  );
}

function channelBetween(owner: Peer, peer: Peer, salt: bigint): Channel {
  const [first, second] = owner.account < peer.account ? [owner, peer] : [peer, owner];
  return {
    participant0: first.account,
    participant1: second.account,
    signer0: first.signer,
    signer1: second.signer,
    token: ZERO_ADDRESS,
    challengePeriod: 3_600,
    salt,
  };
}

/** The first update of a direction, with a signature of the right form. */
function firstUpdate(state: ChannelState, keccak256: Keccak256): Update {
  const transfer = { paymentId: randomBytes(16), amount: PAID, applicationId: false, refund: false };
  const entries = packTransfers([transfer]);
  const history = extendHistory(state.sent.history, entries, keccak256);
  const signature = new Uint8Array(randomBytes(65));
  signature[64] = 27;
  const proof = { ...state.sent, nonce: 1n, transferred: PAID, history, signature };
  return { proof, entries, creditedSequence: 1n };
}

function openState(blank: ChannelState, sent: SignedProof, received: SignedProof): ChannelState {
  const deposits = [DEPOSIT, DEPOSIT] as const;
  const credits = { deposits, withdrawn: [0n, 0n], closeLive: false, sequence: 1n } as const;
  const state = withTerms(blank, {
    phase: "open",
    announced: credits,
    credited: credits,
    chain: { deposits, withdrawn: [0n, 0n], close: undefined, settled: undefined },
  });
  return { ...state, sent, acknowledged: 1n, received, accepted: 1n };
}
