import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNode, type Receipt } from "../../src/node/index.ts";
import { repairDatabase } from "../../src/node/repair.ts";
import { type Address, type ChannelId, channelIdToBytes, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { channelKey, journalPrefix, paymentKey, updateKey } from "../../src/store/keys.ts";
import { openLevelStore } from "../../src/store/levelStore.ts";
import { openFunded, openWorld, type TestNode, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;
const TO = `0x${"5".repeat(40)}` as Address;
let world: World;
let bob: TestNode;
beforeAll(async () => {
  world = await openWorld();
  bob = await world.node();
}, 60_000);
afterAll(() => world?.stop());

/** A node with a channel in which both paid, stopped. */
async function stopped(): Promise<TestNode & { readonly channelId: string }> {
  const alice = await world.node();
  const { channelId } = await openFunded(alice, bob, DEPOSIT);
  await expect.poll(async () => (await bob.node.channel(channelId)).sendCapacity).toBe(DEPOSIT);
  for (let i = 0; i < 3; i++) await alice.node.pay({ channelId, amount: 10n });
  await bob.node.pay({ channelId, amount: 4n });
  await alice.node.stop();
  return Object.assign(alice, { channelId });
}

/** Flips a bit of the value under a key, behind LevelDB's own checksums. */
async function spoil({ options }: TestNode, key: Uint8Array): Promise<void> {
  const store = await openLevelStore(join(options.directory, "level"));
  const value = Uint8Array.from((await store.get(key))!);
  value[value.length - 1]! ^= 1;
  await store.write([{ type: "put", key, value }], { sync: true });
  await store.close();
}

const repaired = ({ options }: TestNode) => repairDatabase({ directory: options.directory });

describe("a repair", () => {
  it("puts aside a damaged update, keeps a copy, freezes spending, and the peer shows the rest", async () => {
    const alice = await stopped();
    const key = updateKey(channelIdToBytes(alice.channelId as never), 0, 2n);
    const other = updateKey(channelIdToBytes(alice.channelId as never), 1, 2n);
    const store = await openLevelStore(join(alice.options.directory, "level"));
    const spoiled = (await store.get(key)) === undefined ? other : key;
    await store.close();
    await spoil(alice, spoiled);
    const before = await repaired(alice);
    expect(before).toMatchObject({ lost: true, details: ["1 other records are damaged"] });
    expect((await readdir(before.copy!)).sort()).toEqual(["level", "mark"]);
    const node = await alice.restart();
    expect(node.spending.frozen?.reason).toContain("repaired");
    await expect.poll(() => alice.warnings).toContain("database_lost_data");
    await expect
      .poll(async () => (await node.backup.recovery())?.channels)
      .toMatchObject([{ channelId: alice.channelId, shown: false, provenThrough: 0 }]);
    expect((await node.backup.recovery())?.complete).toBe(false);
    await world.pass(3_700);
    await expect.poll(() => node.addresses.length, { timeout: 20_000 }).toBeGreaterThan(0);
    await node.connect(bob.node.addresses[0]!);
    await expect.poll(async () => (await node.backup.recovery())?.complete).toBe(true);
    expect(await node.channel(alice.channelId as never)).toMatchObject({ sent: 30n, received: 4n });
    await node.stop();
  }, 60_000);

  it("lets go of transactions of which it does not know the whole, and the node starts and sends again", async () => {
    const alice = await stopped();
    const prefix = journalPrefix("publisher", 31337n, alice.node.account);
    await spoil(alice, new TextEncoder().encode(`${prefix}nonces`));
    await expect(createNode(alice.options)).rejects.toMatchObject({ code: "record_damaged" });
    expect((await repaired(alice)).details).toContain("1 other records are damaged");
    const node = await alice.restart();
    await node.send({ to: TO, token: ZERO_ADDRESS, amount: 5n });
    expect(await world.balance(ZERO_ADDRESS, TO)).toBe(5n);
    await node.stop();
  }, 60_000);

  it("forgets a transaction whose record is gone while the nonces name it, with its nonces", async () => {
    const alice = await world.node();
    await world.chain.provider.send("evm_setAutomine", [false]);
    for (const name of ["one", "two"]) {
      alice.node.send({ to: TO, token: ZERO_ADDRESS, amount: 1n }, { name }).catch(() => {});
    }
    await expect.poll(() => alice.node.hasSigned("one")).toBe(true);
    await alice.node.stop();
    const prefix = journalPrefix("publisher", 31337n, alice.node.account);
    const store = await openLevelStore(join(alice.options.directory, "level"));
    const key = new TextEncoder().encode(`${prefix}intent/send/one`);
    await store.write([{ type: "del", key }], { sync: true });
    await store.close();
    await expect(createNode(alice.options)).rejects.toMatchObject({ code: "journal_damaged" });
    const { details } = await repaired(alice);
    expect(details).toEqual(["the account's nonces are read anew"]);
    await world.chain.provider.send("evm_setAutomine", [true]);
    await world.pass(1);
    const node = await alice.restart();
    // It was on its way, and nobody here can know that any more.
    const again = node.send({ to: TO, token: ZERO_ADDRESS, amount: 1n }, { name: "one" });
    await expect(again).rejects.toMatchObject({ code: "send_uncertain" });
    await node.stop();
  }, 60_000);

  it("changes nothing where nothing is wrong, where a node runs, or where no database is", async () => {
    const alice = await world.node();
    await expect(repaired(alice)).rejects.toMatchObject({ code: "database_locked" });
    await alice.node.stop();
    const mark = await readFile(join(alice.options.directory, "mark"));
    expect(await repaired(alice)).toEqual({ details: [], lost: false, copy: undefined });
    expect((await readFile(join(alice.options.directory, "mark"))).length).toBe(mark.length);
    const names = await readdir(join(alice.options.directory, ".."));
    const ours = names.filter((name) => name.includes("before-repair"));
    const nothing = join(alice.options.directory, "..", "nothing");
    await mkdir(nothing);
    await expect(repairDatabase({ directory: nothing })).rejects.toMatchObject({ code: "database_foreign" });
    expect(await readdir(nothing)).toEqual([]);
    expect(ours.filter((name) => name.startsWith(alice.options.directory.split("/").at(-1)!))).toEqual([]);
    const node = await alice.restart();
    expect(node.spending.frozen).toBeUndefined();
    await node.stop();
  }, 60_000);
});

describe("the index of payment ids", () => {
  const IDS = [1, 2, 3].map((byte) => new Uint8Array(16).fill(byte));

  /** A node that paid 1, 2 and 3 to bob under ids, stopped. */
  async function paid() {
    const alice = await world.node();
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    const receipts: Receipt[] = [];
    for (const [at, id] of IDS.entries()) {
      receipts.push(await alice.node.pay({ channelId, amount: BigInt(at + 1), id }));
    }
    await alice.node.stop();
    const bytes = channelIdToBytes(channelId);
    const side = alice.node.account < bob.node.account ? 0 : 1;
    const entries = IDS.map((id) => paymentKey(id, bytes));
    const updates = receipts.map(({ nonce }) => updateKey(bytes, side, nonce));
    return { alice, channelId, receipts, entries, updates };
  }

  async function remove({ options }: TestNode, keys: readonly Uint8Array[]): Promise<void> {
    const store = await openLevelStore(join(options.directory, "level"));
    await store.write(
      keys.map((key) => ({ type: "del", key })),
      { sync: true },
    );
    await store.close();
  }

  /** Started again, and met by bob. */
  async function met(alice: TestNode, channelId: ChannelId) {
    alice.warnings.length = 0;
    const node = await alice.restart();
    await expect.poll(() => alice.warnings).toContain("database_lost_data");
    await world.pass(3_700);
    await expect.poll(() => node.addresses.length, { timeout: 20_000 }).toBeGreaterThan(0);
    await node.connect(bob.node.addresses[0]!);
    await node.ready(channelId);
    return node;
  }

  it("is made anew by a repair from the payments that are left: an old id is the same payment", async () => {
    const { alice, channelId, receipts, entries } = await paid();
    await remove(alice, entries.slice(0, 1));
    await spoil(alice, entries[1]!);
    const { index, details } = await repaired(alice);
    expect(details).toEqual(["1 other records are damaged"]);
    expect(index).toEqual({ rebuilt: 2, lost: [] });
    const node = await met(alice, channelId);
    await node.spending.unfreeze();
    for (const [at, id] of IDS.entries()) {
      expect(await node.pay({ channelId, amount: BigInt(at + 1), id })).toEqual(receipts[at]);
    }
    const other = node.pay({ channelId, amount: 9n, id: IDS[0]! });
    await expect(other).rejects.toMatchObject({ code: "payment_conflict" });
    expect((await bob.node.channel(channelId)).received).toBe(6n);
    await node.stop();
  }, 60_000);

  it("says of which channels payments are gone, and with them their ids", async () => {
    const { alice, channelId, receipts, entries, updates } = await paid();
    await spoil(alice, updates[1]!);
    await remove(alice, entries);
    const { index } = await repaired(alice);
    expect(index).toEqual({ rebuilt: 2, lost: [expect.stringContaining(`${channelId} (1 of 3)`)] });
    const node = await met(alice, channelId);
    await node.spending.unfreeze();
    for (const at of [0, 2]) {
      expect(await node.pay({ channelId, amount: BigInt(at + 1), id: IDS[at]! })).toEqual(receipts[at]);
    }
    // What the report said: this one is not known any more.
    expect((await node.pay({ channelId, amount: 2n, id: IDS[1]! })).nonce).toBe(4n);
    await node.stop();
  }, 60_000);

  it("says which channels' records are gone, whose ids come back with what the peer returns", async () => {
    const { alice, channelId, receipts, entries } = await paid();
    await remove(alice, [channelKey(channelIdToBytes(channelId)), ...entries]);
    const { index } = await repaired(alice);
    expect(index).toEqual({
      rebuilt: 0,
      lost: [expect.stringMatching(new RegExp(`records.*${channelId}$`))],
    });
    const node = await met(alice, channelId);
    await node.spending.unfreeze();
    await expect.poll(async () => (await node.channel(channelId)).sent).toBe(6n);
    expect(await node.pay({ channelId, amount: 1n, id: IDS[0]! })).toEqual(receipts[0]);
    await node.stop();
  }, 60_000);

  it("is made anew by a start that finds the loss itself: an old id is the same payment", async () => {
    const { alice, channelId, receipts, entries } = await paid();
    await remove(alice, entries);
    await rm(join(alice.options.directory, "mark"));
    const node = await met(alice, channelId);
    expect(node.spending.frozen?.reason).not.toContain("payment ids");
    expect(await node.pay({ channelId, amount: 1n, id: IDS[0]! })).toEqual(receipts[0]);
    await node.stop();
  }, 60_000);

  it("freezes spending where a start finds ids lost: once where they are gone, until a repair where they cannot be read", async () => {
    const { alice, channelId, entries, updates } = await paid();
    const lost = async (reason: RegExp) => {
      alice.warnings.length = 0;
      const node = await alice.restart();
      await expect.poll(() => alice.warnings, { timeout: 10_000 }).toContain("payment_ids_lost");
      expect(node.spending.frozen?.reason).toMatch(reason);
      await node.spending.unfreeze();
      await node.stop();
    };
    await remove(alice, [updates[0]!, entries[0]!]);
    await rm(join(alice.options.directory, "mark"));
    await lost(/^the database lost data/);
    await (await met(alice, channelId)).stop();
    expect(alice.warnings).not.toContain("payment_ids_lost");
    await spoil(alice, updates[2]!);
    await rm(join(alice.options.directory, "mark"));
    await lost(/^the database lost data/);
    await lost(/^payment ids were lost/);
    expect((await repaired(alice)).index?.lost).toEqual([expect.stringContaining("(2 of 3)")]);
    await (await met(alice, channelId)).stop();
    expect(alice.warnings).not.toContain("payment_ids_lost");
  }, 90_000);
});
