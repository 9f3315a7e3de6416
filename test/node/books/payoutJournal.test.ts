import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { PayoutJournal, type PayoutNotice } from "../../../src/node/books/payoutJournal.ts";
import { Records } from "../../../src/node/records.ts";
import { openDatabase } from "../../../src/store/levelDatabase.ts";

const address = (digit: string) => `0x${digit.repeat(40)}` as PayoutNotice["token"];
const hash = `0x${"ab".repeat(32)}` as PayoutNotice["transactionHash"];

function notice(id: string, stage: PayoutNotice["stage"]): PayoutNotice {
  return {
    kind: "payoutWithdrawn",
    token: address("1"),
    account: address("2"),
    to: address("3"),
    amount: 7n,
    stage,
    id,
    transactionHash: hash,
  };
}

it("counts an event once it is confirmed and however often, also at once, that is told, and no more once it is gone", async () => {
  const directory = await mkdtemp(join(tmpdir(), "rivulet-payouts-"));
  const database = await openDatabase(directory);
  const journal = new PayoutJournal(new Records(database.store, database.committer));
  const amounts = async () => {
    const found: bigint[] = [];
    for await (const { amount } of journal.list({ from: 0, to: Number.MAX_SAFE_INTEGER })) found.push(amount);
    return found;
  };
  await journal.note(notice("a", "seen"));
  expect(await amounts()).toEqual([]);
  await Promise.all(["a", "a"].map((id) => journal.note(notice(id, "confirmed"))));
  for (const id of ["a", "b"]) await journal.note(notice(id, "confirmed"));
  expect(await amounts()).toEqual([7n, 7n]);
  for (const id of ["b", "c"]) await journal.note(notice(id, "removed"));
  expect(await amounts()).toEqual([7n]);
  await journal.note(notice("b", "confirmed"));
  expect(await amounts()).toEqual([7n, 7n]);
  await database.close();
  await rm(directory, { recursive: true });
});
