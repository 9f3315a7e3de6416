import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  type Address,
  type BalanceProof,
  type Channel,
  channelIdOf,
  checkEntries,
  Digests,
  extendHistory,
  fromHex,
  locksRootOf,
  packLocks,
  packTransfers,
  readTransfers,
  toHex,
} from "../../src/protocol/index.ts";
import { crypto } from "./support/channel.ts";
import {
  type ChannelText,
  ethersVectors,
  type ProtocolVectors,
  type TransferText,
} from "./support/ethersVectors.ts";

const vectors: ProtocolVectors = JSON.parse(
  readFileSync(new URL("../vectors/protocol.json", import.meta.url), "utf8"),
);
const { keccak256 } = crypto;
const chainId = BigInt(vectors.chainId);
const escrow = vectors.escrow as Address;
const digests = new Digests(chainId, escrow, keccak256);

function channelOf(text: ChannelText): Channel {
  return { ...(text as unknown as Channel), salt: BigInt(text.salt) };
}

function transferOf({ paymentId, amount, reference, applicationId, refund }: TransferText) {
  return {
    paymentId: fromHex(paymentId),
    amount: BigInt(amount),
    reference: reference === null ? undefined : fromHex(reference),
    applicationId,
    refund,
  };
}

function digestOf({ type, message }: ProtocolVectors["digests"][number]): Uint8Array {
  const bytes = (name: string) => fromHex(message[name]!);
  const integer = (name: string) => BigInt(message[name]!);
  if (type === "Hello") return digests.hello(bytes("peerId"), bytes("challenge"));
  const id = bytes("channelId");
  switch (type) {
    case "BalanceProof":
    case "Endorsement": {
      const proof: BalanceProof = {
        nonce: integer("nonce"),
        transferred: integer("transferred"),
        locked: integer("locked"),
        locksRoot: bytes("locksRoot"),
        history: bytes("history"),
      };
      return type === "BalanceProof" ? digests.balanceProof(id, proof) : digests.endorsement(id, proof);
    }
    case "Withdrawal":
      return digests.withdrawal(id, {
        participant: message.participant as Address,
        totalWithdrawn: integer("totalWithdrawn"),
        deadline: integer("deadline"),
      });
    case "CooperativeClose":
      return digests.cooperativeClose(id, {
        transferred0: integer("transferred0"),
        transferred1: integer("transferred1"),
        deadline: integer("deadline"),
      });
    case "StartClose":
      return digests.startClose(id, integer("deadline"));
  }
}

describe("golden vectors", () => {
  it("are what ethers computes", () => {
    expect(vectors).toEqual(ethersVectors());
  });

  it.each(vectors.channels)("channel id $id", ({ channel, id }) => {
    expect(channelIdOf(channelOf(channel), chainId, escrow, keccak256)).toBe(id);
  });

  it("domain separator", () => {
    expect(toHex(digests.domainSeparator)).toBe(vectors.domainSeparator);
  });

  it.each(vectors.digests)("$type digest $digest and its signature", (vector) => {
    const digest = digestOf(vector);
    expect(toHex(digest)).toBe(vector.digest);
    expect(toHex(crypto.ecdsa.sign(digest, fromHex(vectors.signerKey)))).toBe(vector.signature);
  });

  it("digests do not depend on what was digested before them", () => {
    for (const vector of vectors.digests.toReversed()) expect(toHex(digestOf(vector))).toBe(vector.digest);
  });

  it.each(vectors.entries)("packed entries $packed", ({ transfers, packed }) => {
    const expected = transfers.map(transferOf);
    expect(toHex(packTransfers(expected))).toBe(packed);
    expect([...readTransfers(fromHex(packed))]).toEqual(expected);
    expect(checkEntries(fromHex(packed))).toEqual({
      ok: true,
      count: transfers.length,
      transferred: expected.reduce((sum, { amount }) => sum + amount, 0n),
    });
  });

  it("history over several updates", () => {
    let history: Uint8Array = new Uint8Array(32);
    for (const step of vectors.history) {
      history = extendHistory(history, fromHex(step.packed), keccak256);
      expect(toHex(history)).toBe(step.history);
    }
  });

  it.each(vectors.lockLists)("lock list with root $root", ({ locks, packed, root }) => {
    const list = locks.map(({ id, amount, expiry, hash }) => ({
      id: BigInt(id),
      amount: BigInt(amount),
      expiry: BigInt(expiry),
      hash: fromHex(hash),
    }));
    expect(toHex(packLocks(list))).toBe(packed);
    expect(toHex(locksRootOf(list, keccak256))).toBe(root);
  });
});
