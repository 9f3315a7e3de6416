import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_MESSAGE_BYTES } from "../../src/wire/bounds.ts";
import { encodeFrames, FrameDecoder, readVarint, writeVarint } from "../../src/wire/frame.ts";

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);

describe("framing", () => {
  it(`gives back the messages, however the stream is cut (FUZZ_SEED=${seed})`, () => {
    const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 12 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (sent, cuts) => {
        const stream = encodeFrames(sent);
        const decoder = new FrameDecoder();
        const received: Uint8Array[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = Math.min(stream.length, at + cuts[i % cuts.length]!);
          expect(decoder.push(stream.slice(at, end), received)).toBeUndefined();
          at = end;
        }
        expect(received.map((message) => [...message])).toEqual(sent.map((message) => [...message]));
        expect(decoder.heldBytes).toBe(0);
      }),
      { seed, numRuns: 500 },
    );
  });

  it("carries the largest message, byte by byte too", () => {
    const largest = new Uint8Array(MAX_MESSAGE_BYTES).fill(5);
    const stream = encodeFrames([largest, Uint8Array.of(1)]);
    const decoder = new FrameDecoder();
    const received: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at++) decoder.push(stream.subarray(at, at + 1), received);
    expect(received.map(({ length }) => length)).toEqual([MAX_MESSAGE_BYTES, 1]);
  });

  it("refuses a length beyond the bound as soon as it is announced, and never holds more than a message", () => {
    const announced = new Uint8Array(4);
    const end = writeVarint(announced, 0, MAX_MESSAGE_BYTES + 1);
    const decoder = new FrameDecoder();
    expect(decoder.push(announced.subarray(0, end), [])).toBe("frame_too_large");
    const slow = new FrameDecoder();
    for (let i = 0; i < end - 1; i++) expect(slow.push(announced.subarray(i, i + 1), [])).toBeUndefined();
    expect(slow.push(announced.subarray(end - 1, end), [])).toBe("frame_too_large");
    expect(slow.heldBytes).toBeLessThanOrEqual(3);
  });

  it("refuses empty frames and lengths that are overlong or endless, and hands out what came before", () => {
    const good = encodeFrames([Uint8Array.of(9)]);
    for (const [bad, fault] of [
      [[0], "frame_empty"],
      [[0x80, 0x00], "frame_length_malformed"],
      [[0xff, 0xff, 0xff], "frame_length_malformed"],
      [[0x81, 0x80, 0x80, 0x80], "frame_length_malformed"],
    ] as const) {
      const received: Uint8Array[] = [];
      expect(new FrameDecoder().push(Uint8Array.from([...good, ...bad]), received)).toBe(fault);
      expect(received).toHaveLength(1);
    }
    const split = new FrameDecoder();
    expect(split.push(Uint8Array.of(0xff), [])).toBeUndefined();
    expect(split.push(Uint8Array.of(0xff), [])).toBeUndefined();
    expect(split.push(Uint8Array.of(0xff), [])).toBe("frame_length_malformed");
  });

  it(`never throws and never holds more than one message, whatever the bytes (FUZZ_SEED=${seed})`, () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 40 }), (chunks) => {
        const decoder = new FrameDecoder(1000);
        for (const chunk of chunks) {
          const messages: Uint8Array[] = [];
          const fault = decoder.push(chunk, messages);
          for (const message of messages) expect(message.length).toBeLessThanOrEqual(1000);
          expect(decoder.heldBytes).toBeLessThanOrEqual(1003);
          if (fault !== undefined) return;
        }
      }),
      { seed, numRuns: 2000 },
    );
  });

  it("writes every length in the one form it reads", () => {
    for (const value of [1, 127, 128, 16_383, 16_384, 2_097_151]) {
      const bytes = new Uint8Array(5);
      const end = writeVarint(bytes, 0, value);
      expect(readVarint(bytes, 0)).toEqual({ value, end });
    }
  });

  it("frames nothing that the other side would refuse", () => {
    expect(() => encodeFrames([new Uint8Array(0)])).toThrow(RangeError);
    expect(() => encodeFrames([new Uint8Array(MAX_MESSAGE_BYTES + 1)])).toThrow(RangeError);
  });
});
