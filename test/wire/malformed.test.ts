import { describe, expect, it } from "vitest";
import { MAX_ENTRIES_BYTES } from "../../src/protocol/entries.ts";
import { seededRandom } from "../../src/store/random.ts";
import { MAX_MESSAGE_BYTES, MAX_SMALL_MESSAGE_BYTES } from "../../src/wire/bounds.ts";
import { decodeMessage } from "../../src/wire/decode.ts";
import { encodeMessage } from "../../src/wire/encode.ts";
import { writeVarint } from "../../src/wire/frame.ts";
import { FIELD_OF_KIND } from "../../src/wire/kind.ts";
import type { Message, MessageKind } from "../../src/wire/message.ts";
import { samples } from "./sample.ts";

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);

function refusalOf(bytes: Uint8Array): string {
  const result = decodeMessage(bytes);
  if (result.ok) throw new Error(`taken as a ${result.message.kind}`);
  expect(result.code).toBe("message_malformed");
  return result.reason;
}

/** A frame around `body`. */
function framed(kind: MessageKind, body: readonly number[] | Uint8Array): Uint8Array {
  const bytes = new Uint8Array(body.length + 6);
  bytes[0] = (FIELD_OF_KIND[kind] << 3) | 2;
  const at = writeVarint(bytes, 1, body.length);
  bytes.set(body, at);
  return bytes.subarray(0, at + body.length);
}

const field = (number: number, bytes: readonly number[]) => [(number << 3) | 2, bytes.length, ...bytes];
const filled = (length: number, value = 1) => new Array<number>(length).fill(value);
const proof = (parts: { transferred?: number[]; signature?: number; root?: number } = {}) => [
  1 << 3,
  1,
  ...field(2, parts.transferred ?? [1]),
  ...field(4, filled(parts.root ?? 32)),
  ...field(5, filled(32)),
  ...field(6, filled(parts.signature ?? 65)),
];
const long = (number: number, bytes: readonly number[]) => {
  const length = new Uint8Array(3);
  const end = writeVarint(length, 0, bytes.length);
  return [(number << 3) | 2, ...length.subarray(0, end), ...bytes];
};
const updateBody = (parts: Parameters<typeof proof>[0] = {}, id = 32) => [
  ...field(1, filled(id)),
  ...long(2, proof(parts)),
  ...field(3, [1, 2, 3]),
];

describe("a malformed message is refused with a reason", () => {
  it("while the same bytes, well formed, are taken", () => {
    expect(decodeMessage(framed("update", updateBody()))).toMatchObject({ ok: true });
  });

  it("without a body, with an unknown one, or with two", () => {
    expect(refusalOf(new Uint8Array(0))).toBe("no known message");
    expect(refusalOf(Uint8Array.of((15 << 3) | 2, 0))).toBe("no known message");
    expect(refusalOf(Uint8Array.of(0x82, 0x01, 0))).toBe("no known message");
    // The right member with the wrong wire type.
    expect(refusalOf(Uint8Array.of(FIELD_OF_KIND.ack << 3, 0))).toBe("no known message");
    const ack = encodeMessage(samples.ack!);
    expect(refusalOf(Uint8Array.from([...ack, ...ack]))).toBe("not exactly one message");
    expect(refusalOf(Uint8Array.from([...ack, 0]))).toBe("not exactly one message");
    expect(refusalOf(ack.subarray(0, -1))).toBe("not exactly one message");
  });

  it("with ids, addresses, signatures or roots of another length", () => {
    expect(refusalOf(framed("update", updateBody({}, 31)))).toMatch("channelId");
    expect(refusalOf(framed("update", updateBody({ signature: 64 })))).toMatch("signature");
    expect(refusalOf(framed("update", updateBody({ root: 33 })))).toMatch("locksRoot");
    expect(refusalOf(framed("ack", field(1, filled(33))))).toMatch("channelId");
    expect(refusalOf(framed("ack", [...field(1, filled(32)), ...field(4, filled(64))]))).toMatch(
      "endorsement",
    );
    expect(refusalOf(framed("hello", field(4, filled(19))))).toMatch("escrow");
  });

  it("with an amount that is not minimal or longer than 32 bytes", () => {
    expect(refusalOf(framed("update", updateBody({ transferred: [0, 1] })))).toMatch("minimal");
    expect(refusalOf(framed("update", updateBody({ transferred: [0] })))).toMatch("minimal");
    expect(refusalOf(framed("update", updateBody({ transferred: filled(33) })))).toMatch("minimal");
    expect(refusalOf(framed("acceptChannel", [...field(1, filled(32)), ...field(2, [0, 9])]))).toMatch(
      "minimal",
    );
  });

  it("with a part missing", () => {
    expect(refusalOf(framed("update", field(1, filled(32))))).toMatch("proof");
    expect(refusalOf(framed("update", long(2, proof())))).toMatch("channel");
    expect(refusalOf(framed("update", [...field(1, filled(32)), ...field(2, [])]))).toMatch("root");
    expect(refusalOf(framed("openChannel", []))).toMatch("channel");
    expect(refusalOf(framed("acceptChannel", field(1, filled(32))))).toMatch("lock limits");
    expect(refusalOf(framed("reestablish", field(1, filled(32))))).toMatch("credits");
    expect(refusalOf(framed("returnedUpdate", []))).toMatch("no update");
  });

  it("with numbers or lengths that run over", () => {
    const overlong = [4 << 3, ...filled(10, 0xff), 1];
    expect(refusalOf(framed("update", overlong))).toMatch("too large");
    expect(refusalOf(framed("update", [4 << 3, ...filled(9, 0xff), 2]))).toMatch("too large");
    expect(refusalOf(framed("update", [(3 << 3) | 2, 0x7f, 1]))).toMatch("truncated");
    // A proof whose own field reaches beyond the proof, into the update around it.
    expect(refusalOf(framed("update", [(2 << 3) | 2, 4, (6 << 3) | 2, 65, ...filled(65)]))).toMatch(
      "truncated",
    );
  });

  it("with a Reestablish that names two channels, an unsigned proof, or no lock list", () => {
    const credited = (id: number[]) => field(5, field(1, id));
    const id = field(1, filled(32));
    expect(decodeMessage(framed("reestablish", [...id, ...credited([])]))).toMatchObject({ ok: true });
    expect(refusalOf(framed("reestablish", [...id, ...credited(filled(32))]))).toMatch("of their own");
    expect(refusalOf(framed("reestablish", [...id, ...credited([]), ...field(3, [])]))).toMatch("nonce 0");
    expect(refusalOf(framed("reestablish", [...id, ...credited([]), ...field(4, filled(63))]))).toMatch(
      "lock list",
    );
  });

  it("with more features, fields or letters than there may be, or names that are none", () => {
    const hello = samples.hello as Extract<Message, { kind: "hello" }>;
    const features = (list: string[]) => encodeMessage({ ...hello, features: list });
    expect(refusalOf(features(filled(33).map((_, i) => `f${i}`)))).toMatch("too many");
    expect(refusalOf(features(["x".repeat(65)]))).toMatch("not a name");
    expect(refusalOf(features(["a\u001b[2Jb"]))).toMatch("not a name");
    const error = (code: string) => encodeMessage({ kind: "error", code, fields: {} });
    expect(refusalOf(error(""))).toMatch("not a name");
    expect(refusalOf(error("two words"))).toMatch("not a name");
    const entry = (key: string, value: string) => {
      const text = (s: string) => [...new TextEncoder().encode(s)];
      return long(2, [...field(1, text(key)), ...long(2, text(value))]);
    };
    const code = field(1, [0x78]);
    const many = filled(17).flatMap((_, i) => entry(`k${i}`, "v"));
    expect(refusalOf(framed("error", [...code, ...many]))).toMatch("too many");
    expect(refusalOf(framed("error", [...code, ...entry("k", "v".repeat(257))]))).toMatch("too long");
  });

  it("larger than its kind can be", () => {
    expect(refusalOf(new Uint8Array(MAX_MESSAGE_BYTES + 1).fill(0x32))).toMatch("too large");
    const padding = long(15, filled(MAX_SMALL_MESSAGE_BYTES));
    for (const kind of ["hello", "error", "ack", "closeStop", "reestablish"] as const) {
      expect(refusalOf(framed(kind, [...field(1, filled(32)), ...padding]))).toMatch("too large");
    }
    const entries = long(3, filled(MAX_ENTRIES_BYTES + 1));
    expect(refusalOf(framed("update", [...field(1, filled(32)), ...entries]))).toMatch("too many entries");
  });

  it("made of nested groups that would exhaust a recursive reader", () => {
    const groups = filled(8000, (15 << 3) | 3);
    expect(refusalOf(framed("closeStop", groups))).toBeTypeOf("string");
    expect(refusalOf(framed("update", filled(100_000, (15 << 3) | 3)))).toMatch("wire type");
  });
});

describe("what a later version may add", () => {
  it("is ignored inside a message", () => {
    const unknown = [
      ...field(14, [1, 2, 3]),
      13 << 3,
      5,
      (12 << 3) | 1,
      ...filled(8),
      (11 << 3) | 5,
      ...filled(4),
    ];
    const plain = decodeMessage(framed("update", updateBody()));
    expect(decodeMessage(framed("update", [...unknown, ...updateBody(), ...unknown]))).toEqual(plain);
  });

  it("cannot reach the prototype of anything through a field's name", () => {
    const bytes = encodeMessage({ kind: "error", code: "x", fields: JSON.parse('{"__proto__":"polluted"}') });
    const result = decodeMessage(bytes);
    expect(result).toMatchObject({ ok: true });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe("whatever the bytes", () => {
  const bytesOfSamples = Object.values(samples).map(encodeMessage);

  /** Refused with a code, or taken and then encodable again: never an exception. */
  function survives(bytes: Uint8Array): boolean {
    const result = decodeMessage(bytes);
    if (!result.ok) {
      expect(result.code).toBe("message_malformed");
      return false;
    }
    const again = decodeMessage(encodeMessage(result.message));
    expect(again).toEqual(result);
    return true;
  }

  it(`random ones are refused without a throw (FUZZ_SEED=${seed})`, () => {
    const random = seededRandom(seed);
    for (let run = 0; run < 20_000; run++) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 120) }, () => random() * 256);
      // Half of them pass the first check, so that every body's reader gets its share.
      if (run % 2 === 0 && bytes.length > 2) {
        bytes[0] = ((1 + Math.floor(random() * 14)) << 3) | 2;
        bytes[1] = bytes.length - 2;
      }
      survives(bytes);
    }
  });

  it(`mutated ones are refused, or read as a message that encodes to itself (FUZZ_SEED=${seed})`, () => {
    const random = seededRandom(seed + 1);
    const pick = (below: number) => Math.floor(random() * below);
    let taken = 0;
    for (let run = 0; run < 20_000; run++) {
      const body = bytesOfSamples[pick(bytesOfSamples.length)]!;
      let bytes = Uint8Array.from(body);
      for (let edits = 1 + pick(3); edits > 0; edits--) bytes = mutate(bytes, pick, bytesOfSamples);
      // Half of them get the length they should have, so that the mutation reaches the body.
      if (run % 2 === 0 && bytes.length > 3) bytes = relength(bytes);
      if (survives(bytes)) taken++;
    }
    // A fuzzer whose every case dies at the first check tests nothing.
    expect(taken).toBeGreaterThan(500);
  });
});

function relength(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const bodyAt = bytes[1]! < 0x80 ? 2 : 3;
  const prefixed = new Uint8Array(bytes.length + 3);
  prefixed[0] = bytes[0]!;
  const at = writeVarint(prefixed, 1, bytes.length - bodyAt);
  prefixed.set(bytes.subarray(bodyAt), at);
  return prefixed.slice(0, at + bytes.length - bodyAt);
}

function mutate(
  bytes: Uint8Array<ArrayBuffer>,
  pick: (below: number) => number,
  others: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const at = pick(bytes.length);
  switch (pick(6)) {
    case 0:
      bytes[at] = bytes[at]! ^ (1 << pick(8));
      return bytes;
    case 1:
      bytes[at] = [0, 1, 0x7f, 0x80, 0xff][pick(5)]!;
      return bytes;
    case 2:
      return bytes.slice(0, at);
    case 3:
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + pick(8))]);
    case 4:
      return Uint8Array.from([
        ...bytes.subarray(0, at),
        ...bytes.subarray(pick(bytes.length)),
        ...bytes.subarray(at),
      ]);
    default: {
      const other = others[pick(others.length)]!;
      return Uint8Array.from([...bytes.subarray(0, at), ...other.subarray(pick(other.length))]);
    }
  }
}
