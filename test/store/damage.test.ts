import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDatabase } from "../../src/store/levelDatabase.ts";
import { seededRandom } from "../../src/store/random.ts";
import { StoreError } from "../../src/store/storeError.ts";
import { alter, filesOf, makeImages, openSmallStore, takeImage } from "./databaseImage.ts";
import { type Ledger, LedgerWriter, readLedger } from "./ledger.ts";

const root = mkdtempSync(join(tmpdir(), "rivulet-damage-"));
afterAll(() => rmSync(root, { recursive: true }));

const seed = Number(process.env.RIVULET_SEED ?? Date.now() % 1_000_000);
const flips = Number(process.env.RIVULET_FLIPS ?? 50);
const COMMITS = 600;
const UNSYNCED = 60;
let images: Awaited<ReturnType<typeof makeImages>>;

beforeAll(async () => {
  images = await makeImages(root, COMMITS, UNSYNCED);
});

type Outcome =
  | { kind: "refused"; code: string; message: string }
  | { kind: "lost"; details: readonly string[]; epoch: number }
  | { kind: "fine"; ledger: Ledger };

/** Opens a database as a node would, and reads all of it. */
async function outcomeOf(directory: string, repair = false): Promise<Outcome> {
  let database: Awaited<ReturnType<typeof openDatabase>>;
  try {
    database = await openDatabase(directory, { openStore: openSmallStore, repair });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { kind: "refused", code: error.code, message: error.message };
  }
  try {
    const { lost, details, epoch } = database.integrity;
    if (lost) return { kind: "lost", details, epoch };
    return { kind: "fine", ledger: await readLedger(database) };
  } finally {
    await database.close();
  }
}

function copyOf(image: string): string {
  const copy = join(root, "copy");
  takeImage(image, copy);
  return copy;
}

/** A position in the whole of the files' bytes, so that each byte is as likely as the other. */
function pick(image: string, random: () => number): { path: string; at: number } {
  const files = filesOf(image);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let at = Math.floor(random() * total);
  for (const { path, size } of files) {
    if (at < size) return { path, at };
    at -= size;
  }
  throw new Error("unreachable");
}

describe(`one byte changed on the disk (RIVULET_SEED=${seed})`, () => {
  it.each(["synced", "closed"] as const)(
    "is harmless, refused or reported, never silent: %s image",
    { timeout: 120_000 },
    async (name) => {
      const random = seededRandom(seed);
      const seen = { fine: 0, lost: 0, refused: 0 };
      const total = name === "synced" ? COMMITS : COMMITS + UNSYNCED;
      for (let i = 0; i < flips; i++) {
        const copy = copyOf(images[name]);
        const { path, at } = pick(copy, random);
        const change = 1 + Math.floor(random() * 255);
        alter(copy, path, (bytes) => {
          bytes[at]! ^= change;
          return bytes;
        });
        const outcome = await outcomeOf(copy);
        seen[outcome.kind] += 1;
        const where = `${path} byte ${at} changed by ${change}`;
        if (outcome.kind === "fine") expect(outcome.ledger.journal, where).toBe(total);
        if (outcome.kind === "refused") expect(outcome.code, where).toBe("database_damaged");
      }
      expect(seen.lost).toBeGreaterThan(0);
      expect(seen.lost + seen.refused).toBeGreaterThan(flips / 2);
    },
  );

  it("in the few bytes that name and describe the tables is never silent either", {
    timeout: 120_000,
  }, async () => {
    const random = seededRandom(seed);
    const small = filesOf(images.synced).filter(({ path }) => /MANIFEST|CURRENT|mark$/.test(path));
    expect(small).toHaveLength(3);
    for (let i = 0; i < flips; i++) {
      const { path, size } = small[i % small.length]!;
      const copy = copyOf(images.synced);
      alter(copy, path, (bytes) => {
        bytes[Math.floor(random() * size)]! ^= 1 << Math.floor(random() * 8);
        return bytes;
      });
      const outcome = await outcomeOf(copy);
      if (outcome.kind === "fine") expect(outcome.ledger.journal, path).toBe(COMMITS);
    }
  });
});

describe("what is refused or reported", () => {
  const log = () => filesOf(images.synced).find(({ path }) => path.endsWith(".log"))!;
  const manifest = () => filesOf(images.synced).find(({ path }) => path.includes("MANIFEST"))!;
  const table = () => filesOf(images.synced).find(({ path }) => path.endsWith(".ldb"))!;

  it("a log whose first half is gone, though LevelDB opens it without a word", async () => {
    const copy = copyOf(images.synced);
    alter(copy, log().path, (bytes) => bytes.fill(0xff, 0, bytes.length >> 1));
    expect(await outcomeOf(copy)).toMatchObject({ kind: "lost", epoch: 1 });
  });

  it("a log that is cut short within what was synced", async () => {
    const copy = copyOf(images.synced);
    alter(copy, log().path, (bytes) => bytes.subarray(0, bytes.length - 100));
    expect(await outcomeOf(copy)).toMatchObject({ kind: "lost" });
  });

  it("a log that is gone", async () => {
    const copy = copyOf(images.synced);
    rmSync(join(copy, log().path));
    expect(await outcomeOf(copy)).toMatchObject({ kind: "refused", code: "database_damaged" });
  });

  it("a database without mark and CURRENT, however often it is tried", async () => {
    const copy = copyOf(images.synced);
    rmSync(join(copy, "mark"));
    rmSync(join(copy, "level", "CURRENT"));
    for (let i = 0; i < 3; i++) {
      expect(await outcomeOf(copy)).toMatchObject({ kind: "refused", code: "database_damaged" });
    }
    expect(await outcomeOf(copy, true)).toMatchObject({ kind: "lost" });
  });

  it("a loss, again at every opening, until the node has settled it", async () => {
    const copy = copyOf(images.synced);
    alter(copy, log().path, (bytes) => bytes.subarray(0, bytes.length / 2));
    expect(await outcomeOf(copy)).toMatchObject({ kind: "lost", epoch: 1 });
    expect(await outcomeOf(copy)).toMatchObject({ kind: "lost", epoch: 1, details: [] });
    const database = await openDatabase(copy);
    await database.integrity.settle();
    await database.close();
    expect(await outcomeOf(copy)).toMatchObject({ kind: "fine" });
    alter(copy, "mark", (bytes) => bytes.fill(0));
    expect(await outcomeOf(copy)).toMatchObject({ kind: "lost", epoch: 2 });
  });

  it("an older copy of LevelDB's directory put back in its place", async () => {
    const copy = copyOf(images.closed);
    rmSync(join(copy, "level"), { recursive: true });
    takeImage(join(images.synced, "level"), join(copy, "level"));
    const outcome = await outcomeOf(copy);
    expect(outcome).toMatchObject({ kind: "lost" });
    expect(JSON.stringify(outcome)).toContain("were durable and are missing");
  });

  it("the LevelDB directory of another node, and one that is gone", async () => {
    const other = join(root, "other");
    const database = await openDatabase(other);
    const writer = await LedgerWriter.on(database, 1);
    for (let i = 0; i < 2000; i++) void writer.commit(0, true);
    for (let i = 0; i < 800; i++) await writer.commit(0, true);
    await database.close();
    const copy = copyOf(images.synced);
    rmSync(join(copy, "level"), { recursive: true });
    expect(await outcomeOf(copy)).toMatchObject({ kind: "refused", code: "database_damaged" });
    takeImage(join(other, "level"), join(copy, "level"));
    expect(JSON.stringify(await outcomeOf(copy))).toContain("belongs to another database");
  });

  it("tables are rebuilt from what can be read, once, and a copy of what was found is kept", async () => {
    const copy = copyOf(images.synced);
    const found = readFileSync(join(copy, table().path));
    alter(copy, table().path, (bytes) => {
      bytes[bytes.length >> 1]! ^= 0xff;
      return bytes;
    });
    expect(await outcomeOf(copy)).toMatchObject({ kind: "lost", epoch: 1 });
    const kept = readdirSync(copy).find((name) => name.startsWith("damaged-"))!;
    const evidence = readFileSync(join(copy, kept, table().path.slice("level/".length)));
    expect(evidence.length).toBe(found.length);
    expect(evidence.equals(found)).toBe(false);
    expect(await outcomeOf(copy)).toMatchObject({ kind: "lost", epoch: 1, details: [] });
    expect(readdirSync(copy).filter((name) => /^level/.test(name))).toEqual(["level"]);
  });

  it("a broken manifest is left as it is, and opened only to be repaired", async () => {
    const copy = copyOf(images.synced);
    alter(copy, manifest().path, (bytes) => bytes.fill(0xaa, 20, 40));
    const broken = readFileSync(join(copy, manifest().path));
    expect(await outcomeOf(copy)).toMatchObject({ kind: "refused", code: "database_damaged" });
    expect(readFileSync(join(copy, manifest().path)).equals(broken)).toBe(true);
    expect(await outcomeOf(copy, true)).toMatchObject({ kind: "lost", epoch: 1 });
    const database = await openDatabase(copy);
    expect((await readLedger(database)).journal).toBe(COMMITS);
    await database.close();
  });
});

describe(`the end of a log after a power cut (RIVULET_SEED=${seed})`, () => {
  const lastLog = () => filesOf(images.torn).findLast(({ path }) => path.endsWith(".log"))!;

  /** Where the synced part ends: the image taken then is shorter. If the log was changed since, at its start. */
  function syncedSize(): number {
    return filesOf(images.synced).find(({ path }) => path === lastLog().path)?.size ?? 0;
  }

  async function expectPrefix(copy: string, more = 0): Promise<number> {
    const outcome = await outcomeOf(copy);
    if (outcome.kind !== "fine") throw new Error(JSON.stringify(outcome));
    expect(outcome.ledger.journal).toBeGreaterThanOrEqual(COMMITS);
    expect(outcome.ledger.journal).toBeLessThanOrEqual(COMMITS + UNSYNCED + more);
    return outcome.ledger.journal;
  }

  it("cut off anywhere is no damage: a prefix survives", { timeout: 60_000 }, async () => {
    const random = seededRandom(seed);
    const survived = new Set<number>();
    for (let i = 0; i < 25; i++) {
      const copy = copyOf(images.torn);
      const size = syncedSize() + Math.floor(random() * (lastLog().size - syncedSize()));
      alter(copy, lastLog().path, (bytes) => bytes.subarray(0, size));
      survived.add(await expectPrefix(copy));
    }
    expect(survived.size).toBeGreaterThan(8);
  });

  it("with a page that never reached the disk before pages that did is no damage either", {
    timeout: 60_000,
  }, async () => {
    const random = seededRandom(seed);
    let shortened = 0;
    for (let i = 0; i < 25; i++) {
      const copy = copyOf(images.torn);
      const from = syncedSize() + Math.floor(random() * (lastLog().size - syncedSize()));
      alter(copy, lastLog().path, (bytes) => bytes.fill(0, from, Math.min(bytes.length, from + 4096)));
      // What lies behind the hole must go with it: readLedger fails on a journal with a gap.
      if ((await expectPrefix(copy)) < COMMITS + UNSYNCED) shortened += 1;
    }
    expect(shortened).toBeGreaterThan(15);
  });

  it("can be opened and written to, again and again", async () => {
    const copy = copyOf(images.torn);
    alter(copy, lastLog().path, (bytes) => bytes.subarray(0, bytes.length - 50));
    for (let i = 0; i < 3; i++) {
      const database = await openDatabase(copy, { openStore: openSmallStore });
      expect(database.integrity.lost).toBe(false);
      const writer = await LedgerWriter.on(database, 5);
      for (let n = 0; n < 5; n++) await writer.commit(n, true);
      await database.close();
    }
    expect(await expectPrefix(copy, 15)).toBe(COMMITS + UNSYNCED - 1 + 15);
  });
});
