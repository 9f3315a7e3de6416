import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createCrypto } from "../../../src/crypto/index.ts";
import { askChain } from "../../../src/node/books/chainEvidence.ts";
import type { StatementFilter, StatementRecord } from "../../../src/node/books/statementRecord.ts";
import { type AskChain, type VerificationReport, verifyStatement } from "../../../src/node/books/verify.ts";
import { type Address, toHex, ZERO_ADDRESS } from "../../../src/protocol/index.ts";
import { CHALLENGE_PERIOD, openFunded, openWorld, type TestNode, type World } from "../support/world.ts";

const DEPOSIT = 10n ** 15n;
const crypto = await createCrypto();

let world: World;
let alice: TestNode;
let bob: TestNode;
let token: Address;
/** Alice's statement once everything below has happened. */
let whole: string;
/** Between the first and the second day of payments. */
let middle: number;

async function textOf(node: TestNode, filter: StatementFilter = {}, format: "json" | "csv" = "json") {
  let text = "";
  for await (const piece of node.node.books.statement(format, filter)) text += piece;
  return text;
}

async function verify(text: string, chain?: AskChain): Promise<VerificationReport> {
  const pieces = (async function* () {
    for (let at = 0; at < text.length; at += 10_000) yield text.slice(at, at + 10_000);
  })();
  return verifyStatement(pieces, { crypto, chain });
}

function chainOf(): Promise<AskChain> {
  return askChain({
    rpcUrl: world.chain.provider._getConnection().url,
    chainId: 31337n,
    escrow: world.escrowAddress,
    signal: AbortSignal.timeout(30_000),
  });
}

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node(), await world.node()];
  token = world.tokenAddress;
  const open = await openFunded(alice, bob, DEPOSIT, token);
  const closed = await openFunded(alice, bob, DEPOSIT, ZERO_ADDRESS);
  for (const { channelId } of [open, closed]) {
    for (let i = 1; i <= 5; i++) await alice.node.pay({ channelId, amount: BigInt(i) });
    await bob.node.payMany(channelId, [{ amount: 100n }, { amount: 200n }]);
  }
  await new Promise((resolve) => setTimeout(resolve, 5));
  middle = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const id = new Uint8Array(16).fill(9);
  const named = { channelId: open.channelId, direction: "sent", paymentId: toHex(id) } as const;
  await alice.node.history.labels.put(named, "article");
  await alice.node.pay({
    channelId: open.channelId,
    amount: 1_000n,
    id,
    reference: new Uint8Array(32).fill(7),
  });
  await bob.node.pay({ channelId: closed.channelId, amount: 3_000n });
  await alice.node.withdraw(open.channelId, 500n);
  await alice.node.deposit(open.channelId, 900n);
  await alice.node.close(closed.channelId);
  // The settlement may be seen before the publisher has looked at its own transaction.
  await vi.waitUntil(async () => (await textOf(alice)).includes("/closeCooperatively/"), 30_000);
  whole = await textOf(alice);
}, 120_000);

afterAll(() => world?.stop());

function recordsOf(text: string): StatementRecord[] {
  return (JSON.parse(text) as { records: StatementRecord[] }).records;
}

describe("a statement", () => {
  it("holds for whoever checks it with the chain and without", async () => {
    for (const chain of [undefined, await chainOf()]) {
      const report = await verify(whole, chain);
      expect(report.findings).toEqual([]);
      expect(report).toMatchObject({
        valid: true,
        channels: 2,
        payments: 16,
        chainChecked: chain !== undefined,
      });
    }
    expect((await verify(await textOf(bob), await chainOf())).findings).toEqual([]);
  });

  it("says what happened: payments, deposits, withdrawal, settlement, gas", async () => {
    const totals = recordsOf(whole).filter((record) => record.type === "totals");
    const [native, erc20] = [ZERO_ADDRESS, token].map((of) => totals.find((record) => record.token === of)!);
    expect(erc20).toMatchObject({
      deposited: `${DEPOSIT + 900n}`,
      withdrawn: "500",
      sent: "1015",
      received: "300",
      settled: "0",
      closing: `${DEPOSIT + 900n - 500n - 1015n + 300n}`,
    });
    expect(native).toMatchObject({ sent: "15", received: "3300", closing: "0", settlementLoss: "0" });
    expect(native!.settled).toBe(`${DEPOSIT - 15n + 3300n}`);
    const [start] = recordsOf(whole);
    const spent = await world.chain.provider.getBalance(alice.node.account);
    expect(start).toMatchObject({ account: alice.node.account });
    // All the account's native coin: what it had, less the gas, and the channel's gain.
    expect(10n ** 20n - BigInt(native!.gas) + 3285n).toBe(spent);
  });

  it("of a period begins where the one before it ended, and both hold", async () => {
    const [first, second] = [await textOf(alice, { to: middle }), await textOf(alice, { from: middle })];
    for (const text of [first, second]) expect((await verify(text, await chainOf())).findings).toEqual([]);
    const ends = recordsOf(first).filter((record) => record.type === "channelEnd");
    const starts = recordsOf(second).filter((record) => record.type === "channel");
    expect(starts.map(({ channelId, opening }) => [channelId, opening])).toEqual(
      ends.map(({ channelId, closing }) => [channelId, closing]),
    );
    expect(recordsOf(first).filter(({ type }) => type === "update").length).toBeGreaterThan(4);
    const payments = async (text: string) => (await verify(text)).payments;
    expect((await payments(first)) + (await payments(second))).toBe(await payments(whole));
  });

  it("of one token or peer holds only that", async () => {
    const of = await textOf(alice, { token });
    expect((await verify(of)).findings).toEqual([]);
    expect(recordsOf(of).filter(({ type }) => type === "channel")).toHaveLength(1);
    expect(recordsOf(await textOf(alice, { peer: alice.node.signer })).map(({ type }) => type)).toEqual([
      "node",
      "end",
    ]);
    expect((await verify(await textOf(alice, { peer: bob.node.signer }))).channels).toBe(2);
  });

  it("of one label lists those payments, with the whole evidence", async () => {
    const text = await textOf(alice, { label: "article" });
    const report = await verify(text, await chainOf());
    expect(report.findings).toEqual([]);
    expect(report.payments).toBe(1);
    expect(report.totals.find((of) => of.token === token)).toMatchObject({ sent: "1000", received: "0" });
    expect((await textOf(alice, { label: "article" }, "csv")).match(/,sent,/g)).toHaveLength(1);
  });

  it("as CSV has a row per movement, and debits that equal credits account by account", async () => {
    const rows = (await textOf(alice, {}, "csv")).trimEnd().split("\r\n").slice(1);
    const kinds = rows.map((row) => row.split(",")[1]);
    const count = (kind: string) => kinds.filter((other) => other === kind).length;
    expect(count("sent") + count("received")).toBe(16);
    expect([count("withdrawal"), count("settlement"), count("deposit")]).toEqual([1, 1, 3]);
    expect(count("gas")).toBeGreaterThan(3);
  });
});

/** The text with one record changed and the seal made anew, as a node that lies about its own books would. */
function forged(change: (records: StatementRecord[]) => void): string {
  const records = recordsOf(whole);
  change(records);
  return `{"rivuletStatement":1,"records":[\n${records.map((record) => JSON.stringify(record)).join(",\n")}\n]}\n`;
}

const find = <Type extends StatementRecord["type"]>(records: StatementRecord[], type: Type) =>
  records.find((record) => record.type === type) as Extract<StatementRecord, { type: Type }>;

/** Changes the first record of a type. */
const put = (type: StatementRecord["type"], change: object) => (records: StatementRecord[]) => {
  Object.assign(find(records, type), change);
};

describe("a forged statement is found out", () => {
  const forgeries: [string, string, (records: StatementRecord[]) => void][] = [
    ["a payment left out of its update", "payments_left_out", put("update", { payments: [] })],
    [
      "a payment made up",
      "payment_mismatch",
      (r) => {
        const update = find(r, "update");
        put("update", { payments: [...update.payments, { ...update.payments[0]!, index: 99 }] })(r);
      },
    ],
    [
      "an amount raised",
      "payment_mismatch",
      (r) => {
        const update = find(r, "update");
        put("update", { payments: update.payments.map((of) => ({ ...of, amount: "999999" })) })(r);
      },
    ],
    [
      "an update left out",
      "update_gap",
      (r) =>
        void r.splice(
          r.findIndex(({ type }) => type === "update"),
          1,
        ),
    ],
    [
      "entries of another update",
      "history_mismatch",
      (r) => {
        const updates = r.filter((record) => record.type === "update" && record.direction === "sent");
        Object.assign(updates[0]!, { entries: (updates[1] as { entries: string }).entries });
        Object.assign(updates[0]!, { payments: (updates[1] as { payments: unknown }).payments });
      },
    ],
    [
      "a proof left out",
      "proof_missing",
      (r) =>
        void r.splice(
          r.findIndex(({ type }) => type === "proof"),
          1,
        ),
    ],
    ["a proof signed by another", "signature_invalid", put("proof", { signature: `0x${"11".repeat(64)}1b` })],
    ["another salt", "channel_id_mismatch", put("channel", { salt: "1" })],
    ["the other side", "channel_foreign", (r) => put("channel", { side: 1 - find(r, "channel").side })(r)],
    [
      "a better opening",
      "opening_mismatch",
      (r) => {
        put("channel", { opening: { ...find(r, "channel").opening, balance: "5" } })(r);
      },
    ],
    ["a better deposit", "movement_mismatch", put("movement", { amount: "5" })],
    ["a better total", "totals_mismatch", put("totals", { received: "5" })],
    [
      "a better end",
      "closing_mismatch",
      (r) => {
        put("channelEnd", { closing: { ...find(r, "channelEnd").closing, balance: "5" } })(r);
      },
    ],
    ["a channel twice", "record_misplaced", (r) => void r.splice(1, 0, r[1]!)],
    ["no node", "record_misplaced", (r) => void r.shift()],
    ["a line of nonsense", "record_invalid", (r) => void Object.assign(r[1]!, { type: "surprise" })],
    ["gas it never paid", "seal_broken", put("gas", { amount: "5" })],
    ["the last records cut off", "seal_broken", (r) => void r.splice(-2, 1)],
  ];

  it.each(forgeries)("%s", async (_name, code, change) => {
    const report = await verify(forged(change));
    expect(report.valid).toBe(false);
    expect(report.findings.map((finding) => finding.code)).toContain(code);
  });

  it("a deposit the chain never showed", async () => {
    const text = forged(put("movement", { amount: `${DEPOSIT * 2n}`, total: `${DEPOSIT * 2n}` }));
    const report = await verify(text, await chainOf());
    expect(report.findings.map(({ code }) => code)).toContain("chain_mismatch");
  });

  it("whatever single character is changed", async () => {
    const lines = whole.split("\n");
    for (let line = 0; line < lines.length - 1; line++) {
      const at = Math.floor(lines[line]!.length / 2);
      const changed = lines[line]![at] === "1" ? "2" : "1";
      const text = lines
        .with(line, lines[line]!.slice(0, at) + changed + lines[line]!.slice(at + 1))
        .join("\n");
      expect((await verify(text)).valid).toBe(false);
    }
  });

  it("and rubbish is no statement", async () => {
    for (const text of ["", "{}", "\n\n\n", `{"rivuletStatement":1,"records":[\n]}\n`, whole.slice(0, 500)]) {
      const report = await verify(text);
      expect(report.valid).toBe(false);
    }
  });
});

describe("the trial balance", () => {
  it("sums to zero, equals channels and wallet, and knows income, expense and gas", async () => {
    const balances = await alice.node.books.trialBalance();
    expect(balances.map(({ token: of }) => of).sort()).toEqual([ZERO_ADDRESS, token].sort());
    for (const of of balances) {
      expect(of.accounts.reduce((sum, { balance }) => sum + balance, 0n)).toBe(0n);
      expect(of).toMatchObject({ balanced: true, books: of.channels + of.wallet! });
      expect(of.wallet).toBe(await world.balance(of.token, alice.node.account));
    }
    const erc20 = balances.find(({ token: of }) => of === token)!;
    const balance = (account: string) => erc20.accounts.find((of) => of.account === account)!.balance;
    expect(balance("income:received")).toBe(-300n);
    expect(balance("expenses:sent")).toBe(1_015n);
    expect(balance("equity:external")).toBe(-(10n ** 18n));
    expect(erc20.channels).toBe((await sendable()) as bigint);
  });

  async function sendable(): Promise<bigint> {
    for await (const { token: of, sendCapacity } of alice.node.channels())
      if (of === token) return sendCapacity;
    throw new Error("no channel in the token");
  }

  it("balances after a restart, and after a close alone", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT, token);
    await vi.waitUntil(async () => (await bob.node.channel(channelId)).sendCapacity === DEPOSIT, 30_000);
    await bob.node.pay({ channelId, amount: 40n });
    await alice.node.stop();
    await alice.restart();
    await alice.node.connect(bob.node.addresses[0]!);
    const before = await alice.node.books.trialBalance();
    expect(before.every(({ balanced }) => balanced)).toBe(true);
    await alice.node.ready(channelId);
    const closing = alice.node.close(channelId, { mode: "unilateral" });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await world.pass(CHALLENGE_PERIOD + 100);
    await closing;
    const after = await alice.node.books.trialBalance();
    expect(after.every(({ balanced }) => balanced)).toBe(true);
    const of = (balances: typeof after) => balances.find(({ token: other }) => other === token)!;
    expect(of(after).channels).toBe(of(before).channels - DEPOSIT - 40n);
    expect(of(after).wallet).toBe(of(before).wallet! + DEPOSIT + 40n);
    expect((await verify(await textOf(alice), await chainOf())).findings).toEqual([]);
  }, 60_000);
});
