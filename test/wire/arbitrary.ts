import fc from "fast-check";
import type { Address } from "../../src/protocol/address.ts";
import { MAX_UINT64 } from "../../src/protocol/amount.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import type { Channel, ChannelId } from "../../src/protocol/channel.ts";
import type { Credits } from "../../src/protocol/ledger/state.ts";
import type { Update } from "../../src/protocol/ledger/update.ts";
import { NO_PROOF, type SignedProof } from "../../src/protocol/proof.ts";
import type { Fields, LockLimits, Message } from "../../src/wire/message.ts";

/** Messages at random, with values at and around every bound. */

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const address = bytes(20).map((value) => toHex(value) as Address);
const channelId = bytes(32).map((value) => toHex(value) as ChannelId);
const uint64 = fc.oneof(
  fc.bigInt(0n, MAX_UINT64),
  fc.constantFrom(0n, 1n, 127n, 128n, (1n << 31n) - 1n, 1n << 31n, 1n << 49n, (1n << 63n) - 1n, MAX_UINT64),
);
const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const amount = fc.oneof(
  fc.bigInt(0n, (1n << 256n) - 1n),
  fc.bigInt(0n, 1n << 72n),
  fc.integer({ min: 0, max: 32 }).map((length) => (1n << BigInt(8 * length)) - 1n),
  fc.integer({ min: 0, max: 31 }).map((length) => 1n << BigInt(8 * length)),
);
const name = fc.stringMatching(/^[A-Za-z0-9_\-./]{1,64}$/);
const fields: fc.Arbitrary<Fields> = fc
  .uniqueArray(fc.tuple(name, fc.string({ maxLength: 256, unit: "binary" })), {
    maxLength: 16,
    selector: ([key]) => key,
  })
  .map((entries) => Object.fromEntries(entries.map(([key, value]) => [key, value.slice(0, 256)])));

export const signedProof: fc.Arbitrary<SignedProof> = fc.record({
  nonce: uint64,
  transferred: amount,
  locked: amount,
  locksRoot: bytes(32),
  history: bytes(32),
  signature: bytes(65),
});
export const update: fc.Arbitrary<Update> = fc.record({
  proof: signedProof,
  entries: fc.uint8Array({ maxLength: 300 }),
  creditedSequence: uint64,
});
const credits: fc.Arbitrary<Credits> = fc.record({
  deposits: fc.tuple(amount, amount),
  withdrawn: fc.tuple(amount, amount),
  closeLive: fc.boolean(),
  sequence: uint64,
});
const lockLimits: fc.Arbitrary<LockLimits> = fc.record({
  count: uint32,
  least: amount,
  most: amount,
  expiryBound: uint64,
});
const channel: fc.Arbitrary<Channel> = fc.record({
  participant0: address,
  participant1: address,
  signer0: address,
  signer1: address,
  token: address,
  challengePeriod: uint32,
  salt: uint64,
});
const withdraw = (kind: "withdrawPropose" | "withdrawSign") =>
  fc.record({
    kind: fc.constant(kind),
    channelId,
    participant: address,
    total: amount,
    deadline: uint64,
    signature: bytes(65),
  });

/** One arbitrary per kind, so that each is drawn as often as any other. */
export const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    kind: fc.constant("hello" as const),
    version: uint32,
    features: fc.array(name, { maxLength: 32 }),
    chainId: uint64,
    escrow: address,
    signer: address,
    participant: address,
    challenge: bytes(32),
    proof: fc.option(bytes(65), { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant("openChannel" as const),
    channel,
    deposit: amount,
    requestedDeposit: amount,
    lockLimits,
  }),
  fc.record({ kind: fc.constant("acceptChannel" as const), channelId, deposit: amount, lockLimits }),
  fc.record({ kind: fc.constant("refuse" as const), channelId, code: name, fields }),
  fc.record({ kind: fc.constant("credited" as const), channelId, credits }),
  fc.record({ kind: fc.constant("update" as const), channelId, update }),
  fc.record({ kind: fc.constant("returnedUpdate" as const), channelId, update }),
  fc.record({
    kind: fc.constant("ack" as const),
    channelId,
    nonce: uint64,
    chainTime: uint64,
    endorsement: fc.option(bytes(65), { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant("reestablish" as const),
    channelId,
    reestablish: fc.record({
      sentNonce: uint64,
      received: fc.oneof(
        fc.constant(NO_PROOF),
        signedProof.filter(({ nonce }) => nonce > 0n),
      ),
      credited: credits,
    }),
    locks: fc.option(
      fc.integer({ min: 1, max: 64 }).map((count) => new Uint8Array(64 * count).fill(count)),
      { nil: undefined },
    ),
  }),
  withdraw("withdrawPropose"),
  withdraw("withdrawSign"),
  fc.record({ kind: fc.constant("closeStop" as const), channelId, sentNonce: uint64 }),
  fc.record({
    kind: fc.constant("closeSign" as const),
    channelId,
    transferred0: amount,
    transferred1: amount,
    deadline: uint64,
    signature: bytes(65),
  }),
  fc.record({
    kind: fc.constant("error" as const),
    code: name,
    fields,
    channelId: fc.option(channelId, { nil: undefined }),
  }),
);
