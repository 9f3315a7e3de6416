import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { KEYSPACE, prefixRange } from "../../src/store/keys.ts";
import { openLevelStore } from "../../src/store/levelStore.ts";
import { FUNDS, openWorld, TOKENS, type World } from "../node/support/world.ts";
import { Operator } from "./support/operator.ts";

let world: World;
let root: string;
let alice: Operator;
let bob: Operator;
let channelId: string;

beforeAll(async () => {
  world = await openWorld();
  root = await mkdtemp(join(tmpdir(), "rivulet-restore-"));
  [alice, bob] = [new Operator(world, join(root, "alice")), new Operator(world, join(root, "bob"))];
}, 60_000);

afterAll(async () => {
  await Promise.all([alice?.stop("SIGKILL"), bob?.stop("SIGKILL")]);
  await world?.stop();
  if (root !== undefined) await rm(root, { recursive: true, force: true });
});

async function started(operator: Operator) {
  const place = await operator.start();
  await world.chain.provider.send("anvil_setBalance", [place.account, `0x${FUNDS.toString(16)}`]);
  await (await world.token.mint(place.account, TOKENS)).wait();
  return place;
}

/** Lets an hour pass in which nothing is signed, and the operator connect to the peer. */
async function meet(operator: Operator, address: string): Promise<void> {
  await world.pass(3_700);
  await vi.waitUntil(async () => (await operator.run("peers", "connect", address)).code === 0, {
    timeout: 60_000,
  });
}

/** As a bad disk would: LevelDB cannot say any more what belongs to it. */
async function breakManifest(level: string): Promise<void> {
  const name = (await readdir(level)).find((one) => one.startsWith("MANIFEST"))!;
  const bytes = await readFile(join(level, name));
  await writeFile(join(level, name), bytes.fill(0xaa, 20, 40));
}

/** What the disk lost of which ids have paid. */
async function loseIds(level: string): Promise<void> {
  const store = await openLevelStore(level);
  const ids = store.range(prefixRange(Uint8Array.of(KEYSPACE.payment)));
  for await (const [key] of ids) await store.write([{ type: "del", key }], { sync: true });
  await store.close();
}

describe("a node of which only the words are left", () => {
  let address: string;
  let words: string;

  beforeAll(async () => {
    for (const operator of [alice, bob]) {
      await mkdir(operator.dir);
      expect((await operator.init()).code).toBe(0);
    }
    words = await readFile(join(alice.dir, "words.txt"), "utf8");
    await started(alice);
    const place = await started(bob);
    address = place.addresses[0]!;
    const token = world.tokenAddress;
    const opened = await alice.run("open", address, `1000 ${token}`, "--yes", "--json");
    expect(opened.err).toBe("");
    channelId = opened.json.channelId;
    const signer = (await bob.run("status", "--json")).json.signer;
    expect((await alice.run("pay", signer, `7 ${token}`)).code).toBe(0);
    const back = (await alice.run("status", "--json")).json.signer;
    expect((await bob.run("pay", back, `2 ${token}`)).code).toBe(0);
    await alice.stop("SIGKILL");
    alice.data = "new";
  }, 120_000);

  it("is not restored by words that others could read, or while the old node may run", async () => {
    const onLine = await alice.run("restore", "--mnemonic", words.trim(), "--old-node-is-gone");
    expect([onLine.code, onLine.err]).toEqual([2, expect.stringContaining("from its words")]);
    const maybe = await alice.fed(words, {}, "restore", "--mnemonic");
    expect([maybe.code, maybe.err]).toEqual([1, expect.stringContaining("--old-node-is-gone")]);
    const mistyped = words.replace(/^\w+/, "rivulet");
    const wrong = await alice.fed(mistyped, {}, "restore", "--mnemonic", "--old-node-is-gone");
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining("word 1")]);
    const none = await alice.run("restore", "--mnemonic", "--old-node-is-gone");
    expect([none.code, none.err]).toEqual([2, expect.stringContaining("on stdin")]);
  }, 60_000);

  it("gets its channel from the chain and its proofs from the peer, who repairs a database of his own later", async () => {
    const restored = await alice.fed(words, {}, "restore", "--mnemonic", "--old-node-is-gone");
    expect(restored.err).toContain("restored from the words");
    expect(restored.out).toContain("channels of which there is no copy: the chain names them");
    expect(restored.code).toBe(0);
    await alice.start();
    await vi.waitUntil(async () => (await alice.run("recovery", "--json")).json?.channels?.length === 1, {
      timeout: 60_000,
    });
    const before = (await alice.run("recovery", "--json")).json;
    expect(before).toMatchObject({
      complete: false,
      channels: [{ channelId, shown: false, recovered: { sent: "0", received: "0" } }],
    });
    expect(before.channels[0].provenThrough).toBeUndefined();
    const doctor = await alice.run("doctor");
    expect(doctor.out).toContain("1 channels wait for their peers");
    await meet(alice, address);
    await vi.waitUntil(async () => (await alice.run("recovery", "--json")).json.complete, {
      timeout: 60_000,
    });
    const unit = 10n ** 6n;
    const { recovery } = { recovery: (await alice.run("recovery", "--json")).json };
    expect(recovery.channels).toMatchObject([
      { channelId, shown: true, recovered: { sent: `${7n * unit}`, received: `${2n * unit}` } },
    ]);
    // What bob still has in the channel he may have paid and hidden: nobody but he knows.
    expect(recovery.channels[0].atRisk).toBe(`${5n * unit}`);
    const text = (await alice.run("recovery")).out;
    expect(text).toMatch(/complete +yes/);
    await bob.stop();
    const level = join(bob.dir, "data", "database", "level");
    await loseIds(level);
    await breakManifest(level);
    await expect(bob.start()).rejects.toThrow(/database_damaged|restore.*repair/s);
    const asked = await bob.run("repair");
    expect([asked.code, asked.err]).toEqual([
      2,
      expect.stringContaining("counts as a database that lost data"),
    ]);
    const repaired = await bob.run("repair", "--yes");
    expect(repaired.out).toContain("MANIFEST");
    expect(repaired.out).toContain("1 that were missing are known again");
    expect(repaired.out).toContain("those of payments are all known");
    expect(repaired.code).toBe(0);
    const again = await bob.run("repair", "--yes", "--json");
    expect(again.json).toMatchObject({ repaired: false, lost: true });
    await bob.start();
    expect((await bob.run("repair", "--yes")).err).toContain("in use by another process");
    expect((await bob.run("status", "--json")).json.frozen.reason).toContain("repaired");
    await vi.waitUntil(async () => (await bob.run("recovery", "--json")).json?.channels?.length === 1, {
      timeout: 60_000,
    });
    await world.pass(3_700);
    await vi.waitUntil(async () => (await bob.run("status", "--json")).json.addresses.length > 0, {
      timeout: 60_000,
    });
    const { addresses } = (await bob.run("status", "--json")).json;
    expect((await alice.run("peers", "connect", addresses[0])).code).toBe(0);
    await vi.waitUntil(async () => (await bob.run("recovery", "--json")).json.complete, { timeout: 60_000 });
    const closed = await alice.run("close", channelId, "--yes", "--json");
    expect(closed.json.channel.paidOut).toEqual({ ours: `${995n * unit}`, theirs: `${5n * unit}` });
  }, 360_000);
});
