import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Address,
  type ChannelId,
  type ChannelState,
  type Credits,
  NO_PROOF,
  newChannelState,
  type SignedProof,
  toHex,
  ZERO_ADDRESS,
} from "../../src/protocol/index.ts";
import {
  decodeChannelState,
  decodeUpdate,
  decodeUpdateTime,
  encodeChannelState,
  encodeUpdate,
  needsAttention,
  summarizeChannelState,
} from "../../src/store/channelRecord.ts";
import { channelSequence } from "../../src/store/channelSequence.ts";

const seed = Number(process.env.RIVULET_SEED ?? Date.now() % 1_000_000_000);
console.log(`channel records: RIVULET_SEED=${seed}`);

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const address = bytes(20).map((value) => toHex(value) as Address);
const amount = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
const pair = fc.tuple(amount, amount);
// Every length of a varint, and the values around 2^31 and 2^32 that a codec once lost.
const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.integer({ min: 0, max: 63 }).map((bit) => 1n << BigInt(bit)),
  fc.bigInt({ min: (1n << 31n) - 2n, max: (1n << 32n) + 2n }),
);
const signature = fc.oneof(bytes(65), fc.constant(new Uint8Array(0)));
const signatures = fc.tuple(signature, signature);
const side = fc.constantFrom(0 as const, 1 as const);
const proof: fc.Arbitrary<SignedProof> = fc.oneof(
  fc.constant(NO_PROOF),
  fc.record({
    nonce: uint64.map((nonce) => (nonce === 0n ? 1n : nonce)),
    transferred: amount,
    locked: amount,
    locksRoot: bytes(32),
    history: bytes(32),
    signature: bytes(65),
  }),
);
const credits: fc.Arbitrary<Credits> = fc.record({
  deposits: pair,
  withdrawn: pair,
  closeLive: fc.boolean(),
  sequence: uint64,
});
const signedClose = fc.record({ transferred0: amount, transferred1: amount, deadline: uint64, signatures });
const state: fc.Arbitrary<ChannelState> = fc
  .record({
    channel: fc.record({
      participant0: address,
      participant1: address,
      // Zero: the participant signs itself.
      signer0: fc.oneof(address, fc.constant(ZERO_ADDRESS)),
      signer1: fc.oneof(address, fc.constant(ZERO_ADDRESS)),
      token: address,
      challengePeriod: fc.integer({ min: 0, max: 2_592_000 }),
      salt: uint64,
    }),
    side,
    id: bytes(32).map((value) => toHex(value) as ChannelId),
    sent: proof,
    received: proof,
    acknowledged: uint64,
    accepted: uint64,
    behind: fc.option(
      proof.filter(({ nonce }) => nonce > 0n),
      { nil: undefined },
    ),
    phase: fc.constantFrom("opening", "open", "closing", "settled"),
    announced: credits,
    credited: credits,
    chain: fc.record({
      deposits: pair,
      withdrawn: pair,
      close: fc.option(fc.record({ deadline: uint64, recorded: fc.tuple(uint64, uint64) }), {
        nil: undefined,
      }),
      settled: fc.option(fc.record({ shares: pair }), { nil: undefined }),
    }),
    withdrawals: fc.array(fc.record({ beneficiary: side, total: amount, deadline: uint64, signatures }), {
      maxLength: 2,
    }),
    stop: fc.option(
      fc.record({
        wanted: fc.boolean(),
        ours: uint64,
        theirs: fc.option(uint64, { nil: undefined }),
        signed: fc.option(signedClose, { nil: undefined }),
      }),
      { nil: undefined },
    ),
    haltedSince: fc.option(uint64, { nil: undefined }),
  })
  .map(({ id, channel, side: ours, sent, received, acknowledged, accepted, behind, ...terms }) => ({
    ...newChannelState(id, channel, ours),
    sent,
    received,
    acknowledged,
    accepted,
    behind,
    terms: { channel, ...terms } as ChannelState["terms"],
  }));

describe("a channel's record", () => {
  it("comes back as the state it was, whatever the numbers", () => {
    fc.assert(
      fc.property(state, fc.integer({ min: 1, max: 2 ** 50 }), (before, sequence) => {
        const record = encodeChannelState(before, sequence);
        expect(decodeChannelState(before.id, record)).toEqual(before);
        expect(channelSequence(record)).toBe(sequence);
        expect(summarizeChannelState(record)).toEqual({
          attention: needsAttention(before),
          opening: before.terms.phase === "opening",
          counterpartySigner: before.counterpartySigner,
        });
      }),
      { seed, numRuns: 500 },
    );
  });

  it("never comes back as another state when it is cut short", () => {
    fc.assert(
      fc.property(state, fc.nat(), (before, cut) => {
        const record = encodeChannelState(before, 1);
        const short = record.subarray(0, cut % record.length);
        let after: ChannelState | undefined;
        try {
          after = decodeChannelState(before.id, short);
        } catch {
          return; // refused: that is all a decoder can do
        }
        expect(after).not.toEqual(before);
      }),
      { seed, numRuns: 200 },
    );
  });
});

describe("an update's record", () => {
  const update = fc.record({
    proof: proof.filter(({ nonce }) => nonce > 0n),
    entries: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    creditedSequence: uint64,
  });
  const sample = fc.sample(update, { seed, numRuns: 1 })[0]!;

  it("comes back as the update it was", () => {
    const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
    fc.assert(
      fc.property(update, time, (before, at) => {
        const bytes = encodeUpdate(before, at);
        expect(decodeUpdate(bytes)).toEqual(before);
        expect(decodeUpdateTime(bytes)).toBe(at);
      }),
      { seed, numRuns: 300 },
    );
  });

  it("written before updates had a time is read, and has none", () => {
    const bytes = encodeUpdate({ ...sample, creditedSequence: 7n }, 0);
    const old = bytes.slice(7); // schema 1 began with the credited sequence
    expect(decodeUpdate(old)).toEqual({ ...sample, creditedSequence: 7n });
    expect(decodeUpdateTime(old)).toBeUndefined();
  });

  it("cut short is refused at every length", () => {
    const bytes = encodeUpdate(sample, 1);
    for (let length = 0; length < bytes.length - sample.entries.length; length++) {
      expect(() => decodeUpdate(bytes.slice(0, length))).toThrow("cut short");
    }
  });
});

describe("a settled channel", () => {
  it("needs no attention, whatever led to it: nodes would carry all they ever had", () => {
    fc.assert(
      fc.property(state, ({ terms, ...rest }) => {
        expect(needsAttention({ ...rest, terms: { ...terms, phase: "settled" } })).toBe(false);
        expect(needsAttention({ ...rest, terms: { ...terms, phase: "closing" } })).toBe(true);
      }),
      { seed, numRuns: 100 },
    );
  });
});
