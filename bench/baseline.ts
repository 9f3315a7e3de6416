import { mkdtemp, rm, statfs } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { createCrypto } from "rivulet/crypto";
import { quantile, rounded } from "./row.ts";

/** File systems that forget with the power, where a sync costs nothing and proves nothing. */
const VOLATILE = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */]);

const MEASURE_MS = 500;

/** What this machine does without Rivulet. */
export interface Baseline {
  readonly crypto: string;
  readonly signPerSecond: number;
  readonly verifyPerSecond: number;
  readonly syncedWritesPerSecond: number;
  /** The slowest of a hundred: no 99th percentile of payments can be below it. */
  readonly syncedWriteP99Micros: number;
  readonly cores: number;
  /** The load average of the last minute when the benchmark began: other work takes from every number. */
  readonly load: number;
}

/** Measures the machine. Throws where payments would be signed in JavaScript or written without sync. */
export async function measureBaseline(directory: string, cores: number): Promise<Baseline> {
  const load = rounded(loadavg()[0]!);
  const { ecdsa, keccak256, keccakName } = await createCrypto();
  if (ecdsa.name !== "native" || keccakName !== "wasm") {
    throw new Error(
      `refused: the crypto in use is ${ecdsa.name} and ${keccakName}; numbers with pure JavaScript mean nothing`,
    );
  }
  await assertDurable(directory);
  const key = keccak256(Uint8Array.of(1));
  const digest = keccak256(Uint8Array.of(2));
  const signature = ecdsa.sign(digest, key);
  return {
    crypto: ecdsa.name,
    signPerSecond: rate(() => ecdsa.sign(digest, key)),
    verifyPerSecond: rate(() => ecdsa.recover(digest, signature)),
    ...(await measureSync(directory)),
    cores,
    load,
  };
}

async function assertDurable(directory: string): Promise<void> {
  if (process.platform === "linux" && VOLATILE.has((await statfs(directory)).type)) {
    throw new Error(
      `refused: ${directory} is in memory, where a sync does nothing; name a disk with --directory`,
    );
  }
  if (/eatmydata|nosync/i.test(process.env.LD_PRELOAD ?? "")) {
    throw new Error("refused: LD_PRELOAD takes the sync out of every write");
  }
}

function rate(operation: () => unknown): number {
  for (let i = 0; i < 200; i++) operation();
  const started = performance.now();
  let done = 0;
  while (performance.now() - started < MEASURE_MS) {
    for (let i = 0; i < 50; i++) operation();
    done += 50;
  }
  return rounded((done * 1000) / (performance.now() - started));
}

/** Records of 200 bytes, one synced write after the other. */
async function measureSync(
  directory: string,
): Promise<Pick<Baseline, "syncedWritesPerSecond" | "syncedWriteP99Micros">> {
  const path = await mkdtemp(join(directory, "rivulet-sync-"));
  const level = new Level<string, Uint8Array>(path, { valueEncoding: "view" });
  try {
    await level.open();
    const record = new Uint8Array(200);
    const started = performance.now();
    const times: number[] = [];
    for (let now = started; now - started < MEASURE_MS; ) {
      await level.put(String(times.length), record, { sync: true });
      const before = now;
      now = performance.now();
      times.push((now - before) * 1000);
    }
    return {
      syncedWritesPerSecond: rounded((times.length * 1000) / (performance.now() - started)),
      syncedWriteP99Micros: rounded(quantile(Float64Array.from(times), 0.99)),
    };
  } finally {
    await level.close();
    await rm(path, { recursive: true, force: true });
  }
}
