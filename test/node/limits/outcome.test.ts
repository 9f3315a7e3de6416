import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChannelMailbox } from "../../../src/node/channel/mailbox.ts";
import type { NodeContext } from "../../../src/node/context.ts";
import { NodeError } from "../../../src/node/error.ts";
import { readSpending, SpendingGate, type SpendOrder } from "../../../src/node/limits/gate.ts";
import type { Spender } from "../../../src/node/limits/spender.ts";
import type { PaidOnce } from "../../../src/node/paidOnce.ts";
import type { Receipt } from "../../../src/node/payment.ts";
import { Records } from "../../../src/node/records.ts";
import { type Address, type ChannelId, toHex } from "../../../src/protocol/index.ts";
import { type Database, openDatabaseOn } from "../../../src/store/database.ts";
import { MemoryMark, newMarkState } from "../../../src/store/mark.ts";
import { MemoryStore } from "../../../src/store/memoryStore.ts";
import { SCHEMA } from "../../../src/store/migration.ts";
import type { Op, WriteOptions } from "../../../src/store/store.ts";

const token = `0x${"1".repeat(40)}` as Address;
const peer = `0x${"2".repeat(40)}` as Address;
const channelId = `0x${"3".repeat(64)}` as ChannelId;

/** A disk that takes its time while it is told to. */
class SlowStore extends MemoryStore {
  held: Promise<void> | undefined;

  override async write(ops: readonly Op[], options: WriteOptions): Promise<void> {
    await this.held;
    await super.write(ops, options);
  }
}

let store: SlowStore;
let records: Records;
let database: Database;
let gate: SpendingGate;
/** What the node below does with a payment that the gate let through. */
let outcome: (order: SpendOrder) => Promise<Receipt>;
let known: Set<string>;
let session: object | undefined;
/** Resolves when the peer is there. */
let arrival: Promise<void>;

const paid = async ({ id }: SpendOrder): Promise<Receipt> => {
  known.add(toHex(id));
  return { channelId, nonce: 1n, index: 0, paymentId: toHex(id) };
};

beforeEach(async () => {
  const mark = new MemoryMark(newMarkState(SCHEMA.version));
  store = new SlowStore();
  database = await openDatabaseOn({ store, mark, name: "memory", syncAfterMs: 60_000 });
  records = new Records(database.store, database.committer);
  const context = {
    records,
    history: { append: async () => {} },
    emit: () => {},
    stopping: new AbortController().signal,
  } as unknown as NodeContext;
  session = {};
  arrival = Promise.resolve();
  known = new Set();
  outcome = paid;
  const mailbox = {
    peer,
    state: { terms: { channel: { token } } },
    get session() {
      return session;
    },
    connected: () => arrival,
  } as unknown as ChannelMailbox;
  const paidOnce = {
    knows: (_: unknown, id: Uint8Array) => known.has(toHex(id)),
  } as unknown as PaidOnce;
  const parts = { context, paidOnce, load: async () => mailbox, pay: (order: SpendOrder) => outcome(order) };
  gate = new SpendingGate(parts, await readSpending(records));
});
afterEach(() => database.close());

const spender: Spender = { id: "s", budgets: [{ token, total: 10n }] };
const pay = (amount: bigint, id: Uint8Array = randomBytes(16), signal?: AbortSignal) =>
  gate.pay(spender, { channelId, amount, id, signal });
const spent = async () => (await gate.spentBy(spender, token)).total;

describe("a payment that fails", () => {
  it.each([
    "amount_invalid",
    "chain_stale",
    "channel_behind",
    "channel_not_open",
    "channel_stopped",
    "clock_skew",
    "insufficient_capacity",
    "payment_conflict",
    "payment_unpaid",
    "queue_full",
  ])("with %s was not sent, and is not charged", async (code) => {
    outcome = () => Promise.reject(new NodeError({ code, fields: {} } as never));
    await expect(pay(10n)).rejects.toMatchObject({ code });
    expect(await spent()).toBe(0n);
    outcome = paid;
    await pay(10n);
  });

  it.each([
    ["the node stopped", () => new NodeError({ code: "node_stopped", fields: {} })],
    ["the disk failed", () => Object.assign(new Error("disk"), { code: "disk_full" })],
    ["something nobody foresaw", () => new TypeError("undefined is not a function")],
    ["a code of a later version", () => new NodeError({ code: "brand_new", fields: {} } as never)],
  ])("because %s may have been sent, and counts as spent", async (_, make) => {
    outcome = () => Promise.reject(make());
    await expect(pay(10n)).rejects.toThrow();
    expect(await spent()).toBe(10n);
    outcome = paid;
    await expect(pay(1n)).rejects.toMatchObject({ code: "budget_exceeded" });
  });

  it("after its wait was given up counts as spent unless the wait itself says so", async () => {
    const giveUp = new AbortController();
    outcome = async () => {
      giveUp.abort(new Error("enough"));
      throw new Error("signed, and nobody answered");
    };
    await expect(pay(4n, randomBytes(16), giveUp.signal)).rejects.toThrow("signed");
    expect(await spent()).toBe(4n);
    const again = new AbortController();
    outcome = async () => {
      again.abort(new Error("enough"));
      throw again.signal.reason;
    };
    await expect(pay(4n, randomBytes(16), again.signal)).rejects.toThrow("enough");
    expect(await spent()).toBe(4n);
  });
});

describe("a payment that comes back with its peer", () => {
  it("is not charged again, and its receipt is owed though the node is frozen", async () => {
    const id = randomBytes(16);
    session = undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    arrival = promise;
    const paying = pay(10n, id);
    await expect.poll(spent).toBe(10n);
    await gate.freeze("meanwhile");
    known.add(toHex(id));
    resolve();
    expect(await paying).toMatchObject({ paymentId: toHex(id) });
    expect(await spent()).toBe(0n);
  });

  it("is paid and not refused once its budget is used up", async () => {
    const id = randomBytes(16);
    const receipt = await pay(10n, id);
    expect(await pay(10n, id)).toEqual(receipt);
    expect(await spent()).toBe(10n);
    await expect(pay(1n)).rejects.toMatchObject({ code: "budget_exceeded" });
  });
});

describe("a payment that another has under way", () => {
  const other: Spender = { id: "other", budgets: [{ token, total: 9n }] };
  const rich: Spender = { id: "rich", budgets: [{ token, total: 100n }] };

  it.each([
    ["is refused to whoever could not pay it", other, "budget_exceeded"],
    ["is shown to whoever could have paid it, and charged to the one who did", rich, undefined],
  ])("%s", async (_, asking, code) => {
    const id = randomBytes(16);
    const answered = Promise.withResolvers<void>();
    outcome = async (order) => {
      await answered.promise;
      return paid(order);
    };
    const first = pay(10n, id);
    await expect.poll(spent).toBe(10n);
    const second = gate.pay(asking, { channelId, amount: 10n, id }).then(
      () => undefined,
      (error: { code: string }) => error.code,
    );
    answered.resolve();
    await first;
    expect(await second).toBe(code);
    expect((await gate.spentBy(asking, token)).total).toBe(0n);
  });

  it("and fails is then made by the one who waited, under its own budget", async () => {
    const id = randomBytes(16);
    const failed = Promise.withResolvers<Receipt>();
    outcome = () => failed.promise;
    const first = pay(10n, id);
    await expect.poll(spent).toBe(10n);
    const second = gate.pay(rich, { channelId, amount: 10n, id });
    outcome = paid;
    failed.reject(new NodeError({ code: "peer_offline", fields: { peer } }));
    await expect(first).rejects.toMatchObject({ code: "peer_offline" });
    expect(await second).toMatchObject({ paymentId: toHex(id) });
    expect((await gate.spentBy(rich, token)).total).toBe(10n);
  });

  it("is waited for no longer than the one who waits wants", async () => {
    const id = randomBytes(16);
    const never = Promise.withResolvers<Receipt>();
    outcome = () => never.promise;
    const first = pay(10n, id).catch(() => {});
    await expect.poll(spent).toBe(10n);
    const giveUp = new AbortController();
    const second = gate.pay(rich, { channelId, amount: 10n, id, signal: giveUp.signal });
    giveUp.abort(new Error("enough"));
    await expect(second).rejects.toThrow("enough");
    never.reject(new Error("over"));
    await first;
  });
});

describe("while the disk takes its time", () => {
  /** What a crash now would leave counted as spent. */
  async function onDisk(): Promise<bigint> {
    type Stored = { readonly total: string; readonly leased: string };
    const stored = await records.get<Stored>("spent", `token/${spender.id}/${token}`);
    return BigInt(stored?.total ?? "0") + BigInt(stored?.leased ?? "0");
  }

  it("nothing is paid that is not counted there, however many come together", async () => {
    const covered: boolean[] = [];
    let made = 0n;
    outcome = async (order) => {
      made += order.amount;
      covered.push((await onDisk()) >= made);
      return paid(order);
    };
    const disk = Promise.withResolvers<void>();
    store.held = disk.promise;
    const first = pay(1n);
    await new Promise((resolve) => setTimeout(resolve, 20));
    // These come while the first is being written.
    const others = [pay(4n), pay(5n)];
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(made).toBe(0n);
    store.held = undefined;
    disk.resolve();
    await Promise.all([first, ...others]);
    expect(covered).toEqual([true, true, true]);
  });

  it("the brake holds at once", async () => {
    const disk = Promise.withResolvers<void>();
    store.held = disk.promise;
    const freezing = gate.freeze("a thief");
    const free: Spender = { id: "free" };
    const order = { channelId, amount: 1n, id: randomBytes(16) };
    const refused = expect(gate.pay(free, order)).rejects.toMatchObject({ code: "spending_frozen" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    disk.resolve();
    await Promise.all([refused, freezing]);
  });
});

describe("what is forgotten", () => {
  it("is gone from memory and disk, and of others nothing", async () => {
    await pay(6n);
    const other: Spender = { id: "s2", budgets: [{ token, total: 10n }] };
    await gate.pay(other, { channelId, amount: 6n, id: randomBytes(16) });
    await gate.forget("s");
    expect(await spent()).toBe(0n);
    expect((await gate.spentBy(other, token)).total).toBe(6n);
    await expect(gate.pay(other, { channelId, amount: 5n, id: randomBytes(16) })).rejects.toMatchObject({
      code: "budget_exceeded",
    });
  });
});

describe("the decision", () => {
  it("takes microseconds", async () => {
    const limit = 10n ** 30n;
    await gate.setPolicy({
      node: [{ token, perDay: limit, perMonth: limit }],
      peers: [{ peer, token, perHour: limit }],
      velocity: { windowSeconds: 60, times: 10, floor: [{ token, amount: limit }], onTrip: "hold" },
      onLimit: "refuse",
    });
    let line: Spender = { id: "l0", budgets: [{ token, perDay: limit, total: limit }] };
    for (let level = 1; level < 4; level++) {
      line = { id: `l${level}`, parent: line, budgets: [{ token, perPayment: 5n, total: limit }] };
    }
    const ids = Array.from({ length: 20_000 }, () => randomBytes(16));
    outcome = async ({ id }) => ({ channelId, nonce: 1n, index: 0, paymentId: toHex(id) });
    const run = async (of: Spender | undefined) => {
      const began = performance.now();
      for (const id of ids) await gate.pay(of, { channelId, amount: 1n, id });
      return ((performance.now() - began) / ids.length) * 1000;
    };
    await run(line);
    const guarded = await run(line);
    await gate.setPolicy({ node: [], peers: [], onLimit: "refuse" });
    const bare = await run(undefined);
    console.log(
      `through the gate: ${guarded.toFixed(1)} µs with four budgets, three limits and the alarm, ${bare.toFixed(1)} µs with none`,
    );
    expect(guarded).toBeLessThan(1_000);
  }, 60_000);

  it("writes nothing where nothing has a budget or a limit", async () => {
    const before = database.committer.progress.written;
    for (let i = 0; i < 100; i++)
      await gate.pay({ id: "free" }, { channelId, amount: 1n, id: randomBytes(16) });
    expect(database.committer.progress.written).toBe(before);
  });
});
