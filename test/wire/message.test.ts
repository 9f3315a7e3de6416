import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex, toMinimalBytes } from "../../src/protocol/bytes.ts";
import { channelIdToBytes } from "../../src/protocol/channel.ts";
import { MAX_ENTRIES_BYTES } from "../../src/protocol/entries.ts";
import { MAX_MESSAGE_BYTES } from "../../src/wire/bounds.ts";
import { decodeMessage } from "../../src/wire/decode.ts";
import { encodeMessage } from "../../src/wire/encode.ts";
import * as wire from "../../src/wire/generated/rivulet.ts";
import { encodeGenerated } from "../../src/wire/generatedCodec.ts";
import { FIELD_OF_KIND } from "../../src/wire/kind.ts";
import type { Message, UpdateMessage } from "../../src/wire/message.ts";
import { message, update } from "./arbitrary.ts";
import { samples } from "./sample.ts";

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const info = `FUZZ_SEED=${seed}`;

function decoded(bytes: Uint8Array): Message {
  const result = decodeMessage(bytes);
  if (!result.ok) throw new Error(result.reason);
  return result.message;
}

describe("messages", () => {
  it(`come back as they were sent, every kind and every bound (${info})`, () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(message, (sent) => {
        kinds.add(sent.kind);
        expect(decoded(encodeMessage(sent))).toEqual(sent);
      }),
      { seed, numRuns: 1500 },
    );
    expect([...kinds].sort()).toEqual(Object.keys(FIELD_OF_KIND).sort());
  });

  it("have the committed encodings, field for field", () => {
    const path = new URL("../vectors/wire.json", import.meta.url);
    const vectors: Record<string, string> = JSON.parse(readFileSync(path, "utf8"));
    expect(Object.keys(vectors).sort()).toEqual(Object.keys(samples).sort());
    for (const [name, sample] of Object.entries(samples)) {
      expect([name, toHex(encodeMessage(sample))]).toEqual([name, vectors[name]]);
      expect(decoded(fromHex(vectors[name]!))).toEqual(sample);
    }
  });

  it(`are frames of the schema: the generated codec reads each as the one body it is (${info})`, () => {
    fc.assert(
      fc.property(message, (sent) => {
        const frame = wire.Frame.decode(encodeMessage(sent));
        expect(Object.keys(frame)).toEqual([sent.kind]);
      }),
      { seed, numRuns: 300 },
    );
  });

  it(`encode an update by hand byte for byte as the generated codec does, and read it alike (${info})`, () => {
    fc.assert(
      fc.property(update, fc.uint8Array({ minLength: 32, maxLength: 32 }), (value, id) => {
        const sent: UpdateMessage = {
          kind: "update",
          channelId: toHex(id) as UpdateMessage["channelId"],
          update: value,
        };
        const bytes = encodeMessage(sent);
        const { proof, entries, creditedSequence } = value;
        const generated = encodeGenerated(wire.Update.codec(), {
          channelId: channelIdToBytes(sent.channelId),
          proof: {
            ...proof,
            transferred: toMinimalBytes(proof.transferred),
            locked: toMinimalBytes(proof.locked),
          },
          entries,
          credited: creditedSequence,
        } as wire.Update);
        expect(toHex(bytes.subarray(-generated.length))).toBe(toHex(generated));
      }),
      { seed, numRuns: 500 },
    );
  });

  it("carry the largest batch of entries, and nothing larger", () => {
    const { kind, channelId, update: value } = samples.update as UpdateMessage;
    const largest: Message = {
      kind,
      channelId,
      update: { ...value, entries: new Uint8Array(MAX_ENTRIES_BYTES).fill(7) },
    };
    const bytes = encodeMessage(largest);
    expect(bytes.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
    expect(decoded(bytes)).toEqual(largest);
    const larger = { kind, channelId, update: { ...value, entries: new Uint8Array(MAX_ENTRIES_BYTES + 1) } };
    expect(() => encodeMessage(larger)).toThrow(RangeError);
  });

  it("share no memory with the bytes they were read from", () => {
    for (const sample of Object.values(samples)) {
      const bytes = encodeMessage(sample);
      const result = decoded(bytes);
      bytes.fill(0xff);
      expect(result).toEqual(sample);
    }
  });

  it("are not made of values that have no place in them", () => {
    const { kind, channelId, update: value } = samples.update as UpdateMessage;
    const withProof = (change: object): Message => ({
      kind,
      channelId,
      update: { ...value, proof: { ...value.proof, ...change } },
    });
    for (const change of [
      { nonce: -1n },
      { nonce: 1n << 64n },
      { transferred: 1n << 256n },
      { locked: -1n },
      { signature: new Uint8Array(64) },
      { history: new Uint8Array(33) },
    ]) {
      expect(() => encodeMessage(withProof(change))).toThrow(RangeError);
    }
    const badId = { kind, channelId: `0x${"zz".repeat(32)}`, update: value } as unknown as Message;
    expect(() => encodeMessage(badId)).toThrow(RangeError);
  });
});
