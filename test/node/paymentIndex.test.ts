import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { decodeIndexedPayment } from "../../src/node/channel/paymentIds.ts";
import { rebuildPaymentIndex } from "../../src/node/paymentIndex.ts";
import {
  type Address,
  type ChannelState,
  channelIdFromBytes,
  NO_PROOF,
  newChannelState,
  packTransfers,
  type Side,
} from "../../src/protocol/index.ts";
import { encodeChannelState, encodeUpdate } from "../../src/store/channelRecord.ts";
import type { Database } from "../../src/store/database.ts";
import { channelKey, KEYSPACE, paymentKey, prefixRange, updateKey } from "../../src/store/keys.ts";
import { openDatabase } from "../../src/store/levelDatabase.ts";
import type { Op } from "../../src/store/store.ts";

const address = (digit: string) => `0x${digit.repeat(40)}` as Address;
let directory: string;
let database: Database;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "rivulet-index-"));
  database = await openDatabase(directory);
});
afterEach(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

const idBytes = (channel: number) => new Uint8Array(32).fill(channel);

/** Of payment `index` of update `nonce`. */
function paymentId(nonce: number, index: number): Uint8Array {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, nonce);
  id[15] = index;
  return id;
}

function record(channel: number, sent: number): Op {
  const tuple = {
    participant0: address("1"),
    participant1: address("2"),
    signer0: address("3"),
    signer1: address("4"),
    token: address("0"),
    challengePeriod: 600,
    salt: 1n,
  };
  const state: ChannelState = {
    ...newChannelState(channelIdFromBytes(idBytes(channel)), tuple, 1),
    sent: { ...NO_PROOF, nonce: BigInt(sent), signature: new Uint8Array(65) },
  };
  return { type: "put", key: channelKey(idBytes(channel)), value: encodeChannelState(state, 1) };
}

/** An update of two payments, the second with an id of the application's where the nonce is odd. */
function update(channel: number, payer: Side, nonce: number): Op {
  const proof = { ...NO_PROOF, nonce: BigInt(nonce), signature: new Uint8Array(65) };
  const entries = packTransfers([
    { paymentId: paymentId(nonce, 0), amount: 5n, reference: undefined, refund: false, applicationId: false },
    {
      paymentId: paymentId(nonce, 1),
      amount: BigInt(nonce),
      reference: undefined,
      refund: false,
      applicationId: nonce % 2 === 1,
    },
  ]);
  const value = encodeUpdate({ creditedSequence: 0n, proof, entries }, 1);
  return { type: "put", key: updateKey(idBytes(channel), payer, BigInt(nonce)), value };
}

async function entries(channel: number): Promise<number[]> {
  const nonces: number[] = [];
  for await (const [key, value] of database.store.range(prefixRange(Uint8Array.of(KEYSPACE.payment)))) {
    if (key[17] === channel) nonces.push(Number(decodeIndexedPayment(value).nonce));
  }
  return nonces;
}

const rebuild = (losses: number, onProgress?: (updates: number) => void) =>
  rebuildPaymentIndex({ ...database, losses }, { onProgress });

it("holds again every id of ours, of payments known to be ours, and leaves what is there", async () => {
  const count = 25_001;
  for (let from = 1; from <= count; from += 1_000) {
    const ops: Op[] = [];
    for (let nonce = from; nonce < from + 1_000 && nonce <= count; nonce++) ops.push(update(7, 1, nonce));
    await database.committer.commit(ops, { sync: false });
  }
  const kept = new Uint8Array(28).fill(1);
  const theirs = update(7, 0, 9);
  // Sent back by the peer, and not shown yet to be ours.
  const unproven = [update(7, 1, count + 2), update(7, 1, count + 4)];
  const present: Op = { type: "put", key: paymentKey(paymentId(3, 1), idBytes(7)), value: kept };
  await database.committer.commit([record(7, count), theirs, ...unproven, present], { sync: true });
  const told: number[] = [];
  expect(await rebuild(1, (updates) => told.push(updates))).toEqual({ rebuilt: 12_500, lost: [] });
  expect(told).toEqual([10_000, 20_000]);
  const nonces = await entries(7);
  expect(nonces).toHaveLength(12_501);
  expect(nonces.filter((nonce) => nonce <= count).every((nonce) => nonce % 2 === 1)).toBe(true);
  expect(await database.store.get(present.key)).toEqual(kept);
  const last = await database.store.get(paymentKey(paymentId(count, 1), idBytes(7)));
  expect(decodeIndexedPayment(last!)).toEqual({ nonce: BigInt(count), index: 1, amount: BigInt(count) });
  // Once for a loss; and after another, there is nothing to do.
  expect(await rebuild(1)).toBeUndefined();
  expect(await rebuild(2)).toEqual({ rebuilt: 0, lost: [] });
}, 60_000);

it("names what is gone, of many channels only the first", async () => {
  const ops: Op[] = [];
  for (let channel = 1; channel <= 30; channel++) ops.push(record(channel, 3), update(channel, 1, 1));
  for (let channel = 101; channel <= 130; channel++) ops.push(update(channel, 1, 1));
  await database.committer.commit([...ops, update(255, 0, 1)], { sync: true });
  const { rebuilt, lost } = (await rebuild(1))!;
  expect(rebuilt).toBe(30);
  expect(lost).toHaveLength(2);
  expect(lost[0]).toContain(`${channelIdFromBytes(idBytes(1))} (2 of 3), `);
  expect(lost[0]).toMatch(/0x(14){32} \(2 of 3\) and 10 more$/);
  expect(lost[1]).toMatch(/: 0x(65){32}, .*0x(78){32} and 11 more$/);
  expect(await entries(101)).toEqual([]);
}, 60_000);
