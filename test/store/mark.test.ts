import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { MarkFile, newMarkState, readSlots } from "../../src/store/mark.ts";

const root = mkdtempSync(join(tmpdir(), "rivulet-mark-"));
afterAll(() => rmSync(root, { recursive: true }));

describe("the high-water mark", () => {
  const path = join(root, "mark");
  const state = newMarkState(1);

  function written(): void {
    const mark = MarkFile.create(path, state);
    for (let sequence = 1; sequence <= 7; sequence++) mark.record(sequence);
    mark.close();
  }

  it("is exact in the file at once, closed or not", () => {
    const mark = MarkFile.create(path, state);
    for (const sequence of [1, 2, 3, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      mark.record(sequence);
      expect(readSlots(path)?.state).toEqual({ ...state, sequence });
    }
    mark.setSchema(9);
    mark.close();
    const again = MarkFile.open(path)!;
    expect(again.state).toEqual({ id: state.id, schema: 9, sequence: Number.MAX_SAFE_INTEGER });
    again.close();
  });

  it("goes back by at most one write when any byte is spoilt, and never forward", () => {
    written();
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      const spoilt = Buffer.from(whole);
      spoilt[at]! ^= 0x41;
      writeFileSync(path, spoilt);
      const found = readSlots(path)!.state;
      expect([6, 7]).toContain(found.sequence);
      expect(found.id).toEqual(state.id);
    }
  });

  it("is nothing at all when both slots are spoilt, cut off or missing", () => {
    written();
    const whole = readFileSync(path);
    writeFileSync(
      path,
      whole.map((byte) => byte ^ 1),
    );
    expect(MarkFile.open(path)).toBeUndefined();
    writeFileSync(path, whole.subarray(0, 20));
    expect(MarkFile.open(path)).toBeUndefined();
    rmSync(path);
    expect(MarkFile.open(path)).toBeUndefined();
  });
});
