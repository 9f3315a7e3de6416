import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  type Address,
  addressOfPublicKey,
  type BalanceProof,
  type Channel,
  channelIdOf,
  checkChannel,
  checkEntries,
  Digests,
  extendHistory,
  fromHex,
  type Lock,
  locksRootOf,
  packLocks,
  packTransfers,
  parseAddress,
  readTransfers,
  toHex,
} from "../../src/protocol/index.ts";
import { sharesOf } from "./model/escrow.ts";
import { crypto } from "./support/channel.ts";
import {
  type ChannelText,
  ethersVectors,
  type LockText,
  type ProtocolVectors,
  type TransferText,
} from "./support/ethersVectors.ts";

const vectors: ProtocolVectors = JSON.parse(
  readFileSync(new URL("../vectors/protocol.json", import.meta.url), "utf8"),
);
const { keccak256 } = crypto;
const chainId = BigInt(vectors.chainId);
const escrow = addressOf(vectors.escrow);
const digests = new Digests(chainId, escrow, keccak256);

/** What the escrow's own author computed, with names that say what each is about. */
interface EscrowVectors {
  readonly chainId: string;
  readonly escrow: string;
  readonly domain: { readonly separator: string };
  readonly channels: readonly {
    readonly name: string;
    readonly channel: ChannelText;
    readonly channelId: string;
  }[];
  readonly signed: readonly (Omit<ProtocolVectors["digests"][number], "type"> & {
    readonly type: Exclude<ProtocolVectors["digests"][number]["type"], "Hello">;
    readonly privateKey: string;
    readonly signer: string;
  })[];
  readonly lockLists: readonly (ProtocolVectors["lockLists"][number] & { readonly name: string })[];
  readonly settlements: readonly Readonly<Record<string, string>>[];
}

const escrowVectors: EscrowVectors = JSON.parse(
  readFileSync(new URL("../vectors/escrow.json", import.meta.url), "utf8"),
);

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

function channelOf(text: ChannelText): Channel {
  return {
    participant0: addressOf(text.participant0),
    participant1: addressOf(text.participant1),
    signer0: addressOf(text.signer0),
    signer1: addressOf(text.signer1),
    token: addressOf(text.token),
    challengePeriod: Number(text.challengePeriod),
    salt: BigInt(text.salt),
  };
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

function lockOf({ id, amount, expiry, hash }: LockText): Lock {
  return { id: BigInt(id), amount: BigInt(amount), expiry: BigInt(expiry), hash: fromHex(hash) };
}

type Signed = Pick<ProtocolVectors["digests"][number], "type" | "message">;

function digestOf({ type, message }: Signed, digests: Digests): Uint8Array {
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
        participant: addressOf(message.participant!),
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
    const digest = digestOf(vector, digests);
    expect(toHex(digest)).toBe(vector.digest);
    expect(toHex(crypto.ecdsa.sign(digest, fromHex(vectors.signerKey)))).toBe(vector.signature);
  });

  it("digests do not depend on what was digested before them", () => {
    for (const vector of vectors.digests.toReversed())
      expect(toHex(digestOf(vector, digests))).toBe(vector.digest);
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
    const list = locks.map(lockOf);
    expect(toHex(packLocks(list))).toBe(packed);
    expect(toHex(locksRootOf(list, keccak256))).toBe(root);
  });
});

describe("the escrow's golden vectors", () => {
  const { escrow: escrowText, signed } = escrowVectors;
  const domain = [BigInt(escrowVectors.chainId), addressOf(escrowText)] as const;
  const escrowDigests = new Digests(...domain, keccak256);

  it("domain separator", () => {
    expect(toHex(escrowDigests.domainSeparator)).toBe(escrowVectors.domain.separator);
  });

  it.each(escrowVectors.channels)("channel id: $name", ({ channel, channelId }) => {
    expect(channelIdOf(channelOf(channel), ...domain, keccak256)).toBe(channelId);
    expect(checkChannel(channelOf(channel))).toBeUndefined();
  });

  it.each(signed)("$type digest $digest, its signature and its signer", (vector) => {
    const digest = digestOf(vector, escrowDigests);
    expect(toHex(digest)).toBe(vector.digest);
    const signature = crypto.ecdsa.sign(digest, fromHex(vector.privateKey));
    expect(toHex(signature)).toBe(vector.signature);
    const publicKey = crypto.ecdsa.recover(digest, signature)!;
    expect(addressOfPublicKey(publicKey, keccak256)).toBe(addressOf(vector.signer));
  });

  it.each(escrowVectors.lockLists)("lock list: $name", ({ locks, packed, root }) => {
    expect(toHex(packLocks(locks.map(lockOf)))).toBe(packed);
    expect(toHex(locksRootOf(locks.map(lockOf), keccak256))).toBe(root);
  });

  it.each(escrowVectors.settlements)("settlement in the model: $name", (vector) => {
    const pair = (name: string) => [BigInt(vector[`${name}0`]!), BigInt(vector[`${name}1`]!)] as const;
    expect(sharesOf(pair("deposit"), pair("withdrawn"), pair("transferred"))).toEqual(pair("share"));
  });
});
