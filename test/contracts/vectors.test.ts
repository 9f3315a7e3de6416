import { readFile } from "node:fs/promises";
import { getBytes, keccak256, recoverAddress, sha256, TypedDataEncoder, toUtf8Bytes } from "ethers";
import { describe, expect, it } from "vitest";
import { buildVectors, sharesOf } from "./support/escrowVectors.ts";
import {
  type ChannelTerms,
  channelIdOf,
  domainOf,
  type Lock,
  locksRootOf,
  packLocks,
  SIGNED_TYPES,
  type SignedType,
} from "./support/messages.ts";

interface Vectors {
  chainId: string;
  escrow: string;
  domain: { separator: string };
  channels: { name: string; channel: ChannelTerms; channelId: string }[];
  signed: {
    type: SignedType;
    encodedType: string;
    typeHash: string;
    message: Record<string, unknown>;
    structHash: string;
    digest: string;
    signer: string;
    signature: string;
  }[];
  lockLists: {
    name: string;
    locks: (Lock & { preimage: string })[];
    packed: string;
    root: string;
    sum: string;
  }[];
  settlements: Record<string, string>[];
}

const path = new URL("../vectors/escrow.json", import.meta.url);
const vectors = JSON.parse(await readFile(path, "utf8")) as Vectors;
const domain = domainOf(BigInt(vectors.chainId), vectors.escrow);

describe("the escrow's golden vectors", () => {
  it("are what their generator makes", async () => {
    expect(await buildVectors()).toEqual(vectors);
  });

  it("hold the domain separator", () => {
    expect(TypedDataEncoder.hashDomain(domain)).toBe(vectors.domain.separator);
  });

  it.each(vectors.channels)("hold the id of: $name", ({ channel, channelId }) => {
    expect(channelIdOf(BigInt(vectors.chainId), vectors.escrow, channel)).toBe(channelId);
  });

  it.each(vectors.signed)("hold the digest and signature of a $type", (v) => {
    const types = { [v.type]: SIGNED_TYPES[v.type] };
    expect(keccak256(toUtf8Bytes(v.encodedType))).toBe(v.typeHash);
    expect(TypedDataEncoder.hashStruct(v.type, types, v.message)).toBe(v.structHash);
    expect(TypedDataEncoder.hash(domain, types, v.message)).toBe(v.digest);
    expect(recoverAddress(v.digest, v.signature)).toBe(v.signer);
  });

  it.each(vectors.lockLists)("hold the packing and root of: $name", ({ locks, packed, root, sum }) => {
    for (const lock of locks) {
      expect(sha256(lock.preimage)).toBe(lock.hash);
    }
    expect(packLocks(locks)).toBe(packed);
    expect(getBytes(packed)).toHaveLength(64 * locks.length);
    expect(locksRootOf(locks)).toBe(root);
    expect(locks.reduce((total, lock) => total + BigInt(lock.amount), 0n)).toBe(BigInt(sum));
  });

  it.each(vectors.settlements)("hold the shares when $name", (v) => {
    const { share0, share1 } = sharesOf({
      deposit0: BigInt(v.deposit0!),
      deposit1: BigInt(v.deposit1!),
      withdrawn0: BigInt(v.withdrawn0!),
      withdrawn1: BigInt(v.withdrawn1!),
      transferred0: BigInt(v.transferred0!),
      transferred1: BigInt(v.transferred1!),
    });
    expect({ share0, share1 }).toEqual({ share0: BigInt(v.share0!), share1: BigInt(v.share1!) });
  });
});
