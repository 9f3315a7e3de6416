import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { assertSamePayments, PaymentTally } from "../../bench/tally.ts";
import { packTransfers } from "../../src/protocol/index.ts";

const BENCH = fileURLToPath(new URL("../../bench/index.ts", import.meta.url));

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function bench(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Output> {
  const child = spawn(process.execPath, [BENCH, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code: code as number | null, stdout, stderr };
}

describe("the benchmark", () => {
  it("prints one JSON array of rows on standard output, and nothing else", async () => {
    const { code, stdout, stderr } = await bench(["--quick", "--only", "pay-sequential", "--json"]);
    expect(code, stderr).toBe(0);
    const rows = JSON.parse(stdout) as Record<string, unknown>[];
    expect(rows.map(({ name, unit }) => [name, unit])).toEqual([
      ["pay-sequential/p50", "µs"],
      ["pay-sequential/p99", "µs"],
    ]);
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(["name", "value", "unit", "params"]);
      expect(row.value).toBeGreaterThan(0);
      expect(row.params).toMatchObject({
        runs: 1,
        quick: true,
        crypto: "native",
        payments: expect.any(Number),
        signPerSecond: expect.any(Number),
        verifyPerSecond: expect.any(Number),
        syncedWritesPerSecond: expect.any(Number),
        all: [row.value],
      });
    }
  }, 120_000);

  it("leaves no process and no file behind when it is interrupted", async () => {
    const directory = await mkdtemp(join(tmpdir(), "rivulet-interrupted-"));
    try {
      const child = spawn(process.execPath, [BENCH, "--only", "pay-stream", "--directory", directory], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      const closed = once(child, "close");
      while (!(await readdir(directory)).some((name) => name.startsWith("rivulet-bench-"))) await sleep(20);
      const [world] = await readdir(directory);
      // Both nodes have begun, so both processes and the chain are there.
      while ((await readdir(join(directory, world!))).length < 2) await sleep(20);
      child.kill("SIGINT");
      // Its standard error is closed once everybody who inherited it is gone.
      expect((await closed)[0]).toBe(1);
      expect(await readdir(directory)).toEqual([]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }, 60_000);

  it("refuses a row it does not have and names those it has", async () => {
    const { code, stdout, stderr } = await bench(["--only", "pay-everything"]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("pay-sequential, pay-signed, pay-stream, pay-duplex, pay-many, restart, memory");
  });

  it("refuses to run where a write is not really synced", async () => {
    const { code, stdout, stderr } = await bench(["--quick", "--only", "pay-signed"], {
      LD_PRELOAD: "libeatmydata-stand-in.so",
    });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("refused: LD_PRELOAD takes the sync out of every write");
  });
});

describe("the comparison of what was paid with what was seen", () => {
  const idOf = (name: number) => new Uint8Array(16).fill(name);
  const tallyOf = (...payments: readonly (readonly [id: number, amount: bigint])[]) => {
    const tally = new PaymentTally();
    for (const [id, amount] of payments) tally.addIds(idOf(id), amount);
    return tally.take();
  };

  it("takes the same payments in any order, however they were noted", () => {
    const seen = new PaymentTally();
    const transfer = (id: number, amount: bigint, reference?: Uint8Array) =>
      ({ paymentId: idOf(id), amount, reference, applicationId: false, refund: false }) as const;
    const reference = new Uint8Array(32).fill(9);
    seen.addEntries(packTransfers([transfer(3, 30n), transfer(1, 10n, reference), transfer(2, 20n)]));
    const sent = new PaymentTally();
    for (const id of [1, 2, 3]) sent.addHex(`0x${String(id).padStart(2, "0").repeat(16)}`, BigInt(id * 10));
    expect(assertSamePayments(sent.take(), seen.take())).toBe(3);
    expect(assertSamePayments(sent.take(), seen.take())).toBe(0);
  });

  it.each([
    ["one is missing", tallyOf([1, 5n], [2, 5n]), tallyOf([1, 10n]), /1 payments never reached the payee/],
    ["one came twice", tallyOf([1, 5n]), tallyOf([1, 5n], [1, 5n]), /was seen twice/],
    ["one was made twice", tallyOf([1, 5n], [1, 5n]), tallyOf([1, 10n]), /was sent twice/],
    ["one is a stranger's", tallyOf([1, 5n]), tallyOf([2, 5n]), /which nobody made/],
    ["an amount differs", tallyOf([1, 5n]), tallyOf([1, 6n]), /5 was sent and 6 was seen/],
  ])("fails when %s", (_what, sent, seen, message) => {
    expect(() => assertSamePayments(sent, seen)).toThrow(message);
  });
});
