import { writeSync } from "node:fs";
import { openDatabase } from "../../src/store/levelDatabase.ts";
import { StoreError } from "../../src/store/storeError.ts";
import { LedgerWriter } from "./ledger.ts";

/** Writes until the disk refuses, and prints how the committer took it. Run under a limit on the size of files. */
process.on("SIGXFSZ", () => {});
const database = await openDatabase(process.argv[2]!);
const writer = await LedgerWriter.on(database, 4);
let acknowledged = 0;
try {
  for (;;) acknowledged = (await writer.commit(0, true))[1];
} catch (error) {
  const code = error instanceof StoreError ? error.code : String(error);
  const later = await writer.commit(1, false).catch((second) => (second === error ? "same" : "another"));
  const failed = (await database.committer.failed) === error;
  const closed = await database.close().catch((second) => (second === error ? "same" : String(second)));
  writeSync(1, `${JSON.stringify({ code, acknowledged, later, failed, closed })}\n`);
}
