import { type Address, otherSide, signerOf, ZERO_ADDRESS } from "../../protocol/index.ts";
import { type Account, accountsOf, payoutTransfer } from "./account.ts";
import { gathered } from "./gather.ts";
import { type ChannelRecord, channelOf, type PayoutRecord, type StatementRecord } from "./statementRecord.ts";

const COLUMNS = [
  "time",
  "kind",
  "token",
  "debit",
  "credit",
  "amount",
  "channel",
  "peer",
  "nonce",
  "index",
  "payment_id",
  "reference",
  "refund",
  "label",
  "transaction",
] as const;

type Row = Partial<Record<(typeof COLUMNS)[number], string>>;

/**
 * A statement as CSV (RFC 4180): one movement per row with the accounts it debits and credits, amounts in the
 * token's base unit. Rows are grouped by channel. It holds no evidence: that is what the JSON form is for.
 */
export function csvStatement(records: AsyncIterable<StatementRecord>): AsyncGenerator<string> {
  return gathered(lines(records));
}

async function* lines(records: AsyncIterable<StatementRecord>): AsyncGenerator<string> {
  yield `${COLUMNS.join(",")}\r\n`;
  let channel: ChannelRecord | undefined;
  let account: Address | undefined;
  for await (const record of records) {
    if (record.type === "node") account = record.account;
    if (record.type === "channel") channel = record;
    for (const row of record.type === "payout" ? [payoutRow(record, account!)] : rowsOf(record, channel)) {
      yield `${COLUMNS.map((column) => cell(row[column] ?? "")).join(",")}\r\n`;
    }
  }
}

function payoutRow(record: PayoutRecord, account: Address): Row {
  const { kind, time, token, amount, transaction } = record;
  const whose = kind === "credited" ? { channel: record.channelId } : { peer: record.to };
  const accounts = accountsOf(payoutTransfer(record, account));
  return { time: timeText(time), kind, token, ...accounts, amount, ...whose, transaction };
}

function* rowsOf(record: StatementRecord, channel: ChannelRecord | undefined): Generator<Row> {
  if (record.type === "gas") {
    const { time, transaction, amount } = record;
    const of = { time: timeText(time), kind: "gas", token: ZERO_ADDRESS, amount, transaction };
    yield { ...of, ...accountsOf("gas") };
  }
  if (record.type === "drawing") {
    const { time, transaction, token, to, amount } = record;
    const of = { time: timeText(time), kind: "drawing", token, amount, peer: to, transaction };
    yield { ...of, ...accountsOf("drawing") };
  }
  if (channel === undefined) return;
  const of = {
    token: channel.token,
    channel: channel.channelId,
    peer: signerOf(channelOf(channel), otherSide(channel.side)),
  };
  if (record.type === "movement") {
    const { kind, time, amount } = record;
    yield { ...of, time: timeText(time), kind, ...movementAccounts(kind), ...unsigned(amount, kind) };
  }
  if (record.type !== "update") return;
  for (const { index, paymentId, amount, reference, refund, label } of record.payments) {
    yield {
      ...of,
      ...accountsOf(record.direction),
      time: timeText(record.time),
      kind: record.direction,
      amount,
      nonce: record.nonce,
      index: `${index}`,
      payment_id: paymentId,
      reference: reference ?? "",
      refund: refund ? "yes" : "",
      label: label ?? "",
    };
  }
}

type Kind = "deposit" | "withdrawal" | "settlement";

function movementAccounts(kind: Kind): { readonly debit: Account; readonly credit: Account } {
  return accountsOf(kind === "settlement" ? "withdrawal" : kind);
}

/** What a reorganisation took back goes the other way, so that amounts are never negative. */
function unsigned(amount: string, kind: Kind): Row {
  if (!amount.startsWith("-")) return { amount };
  const { debit, credit } = movementAccounts(kind);
  return { amount: amount.slice(1), debit: credit, credit: debit };
}

function timeText(time: number): string {
  return time === 0 ? "" : new Date(time).toISOString();
}

/** A cell that a spreadsheet takes for a formula is a stranger's program: labels come from anywhere. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
