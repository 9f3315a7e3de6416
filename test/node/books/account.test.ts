import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenBooks, type TransferKind } from "../../../src/node/books/account.ts";
import { csvStatement } from "../../../src/node/books/csvStatement.ts";
import { linesOf } from "../../../src/node/books/lines.ts";
import type { ChannelRecord, StatementRecord } from "../../../src/node/books/statementRecord.ts";

const amount = fc.bigInt({ min: 0n, max: 2n ** 128n });
const kinds: TransferKind[] = [
  "deposit",
  "withdrawal",
  "sent",
  "received",
  "gas",
  "drawing",
  "credited",
  "fetched",
];

describe("the books of a token", () => {
  it("sum to zero after any transfers and settlements, and hold in channels what a channel would", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom(...kinds), amount }),
      fc.record({ kind: fc.constant("settlement" as const), amount }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const books = new TokenBooks();
        let [channel, wallet, escrow] = [0n, 0n, 0n];
        for (const { kind, amount } of steps) {
          if (kind === "settlement") {
            books.settle(channel, amount);
            [channel, wallet] = [0n, wallet + amount];
            continue;
          }
          books.transfer(kind, amount);
          if (kind === "deposit" || kind === "received") channel += amount;
          if (kind === "withdrawal" || kind === "sent") channel -= amount;
          if (kind === "withdrawal") wallet += amount;
          if (kind === "credited") [wallet, escrow] = [wallet - amount, escrow + amount];
          if (kind === "fetched") [wallet, escrow] = [wallet + amount, escrow - amount];
          if (kind === "deposit" || kind === "gas" || kind === "drawing") wallet -= amount;
        }
        expect(books.sum).toBe(0n);
        expect(books.balance("assets:channels")).toBe(channel);
        expect(books.balance("assets:wallet")).toBe(wallet);
        expect(books.balance("assets:escrow")).toBe(escrow);
      }),
    );
  });
});

const address = (digit: string) => `0x${digit.repeat(40)}` as ChannelRecord["token"];
const bytes32 = `0x${"ab".repeat(32)}` as ChannelRecord["channelId"];
const position = { nonce: "0", transferred: "0", history: bytes32 };
const opening = { deposited: "0", withdrawn: "0", sent: position, received: position, balance: "0" };
const channel: ChannelRecord = {
  type: "channel",
  channelId: bytes32,
  participants: [address("1"), address("2")],
  signers: [address("0"), address("4")],
  token: address("5"),
  challengePeriod: 1,
  salt: "1",
  side: 0,
  opening,
};

async function csvOf(records: StatementRecord[]): Promise<string[]> {
  let text = "";
  const source = (async function* () {
    yield* records;
  })();
  for await (const piece of csvStatement(source)) text += piece;
  return text.trimEnd().split("\r\n");
}

describe("a statement as CSV", () => {
  it("debits and credits each movement, and turns around what a reorganisation took back", async () => {
    const rows = await csvOf([
      channel,
      { type: "movement", kind: "deposit", time: 1_000, amount: "7", total: "7" },
      { type: "movement", kind: "deposit", time: 2_000, amount: "-7", total: "0" },
    ]);
    expect(rows[0]).toMatch(/^time,kind,token,debit,credit,amount,channel,peer,/);
    expect(rows[1]).toContain(
      `1970-01-01T00:00:01.000Z,deposit,${address("5")},assets:channels,assets:wallet,7,`,
    );
    expect(rows[1]).toContain(address("4"));
    expect(rows[2]).toContain("assets:wallet,assets:channels,7,");
  });

  it("keeps a label from becoming a formula or a cell of its own", async () => {
    const payment = { index: 0, paymentId: `0x${"1".repeat(32)}` as const, amount: "1" };
    const rows = await csvOf([
      channel,
      {
        type: "update",
        direction: "sent",
        nonce: "1",
        time: 5,
        entries: "0x00",
        payments: [
          { ...payment, label: '=HYPERLINK("x")' },
          { ...payment, label: "a,b" },
        ],
      },
    ]);
    expect(rows[1]).toContain(`"'=HYPERLINK(""x"")"`);
    expect(rows[2]).toContain('"a,b"');
  });
});

describe("lines", () => {
  it("come whole out of pieces cut anywhere, bytes of one character included", async () => {
    const text = "erste\n\nzweite – Zeile\nlast";
    const bytes = new TextEncoder().encode(text);
    for (let size = 1; size < 9; size++) {
      const pieces = (async function* () {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      })();
      const lines: string[] = [];
      for await (const line of linesOf(pieces)) lines.push(line);
      expect(lines).toEqual(text.split("\n"));
    }
  });

  it("that never end are refused before they fill the memory", async () => {
    let given = 0;
    const endless = (async function* () {
      for (;;) {
        given++;
        yield "x".repeat(1 << 20);
      }
    })();
    await expect(linesOf(endless).next()).rejects.toThrow("longer than any record");
    expect(given).toBeLessThan(10);
  });
});
