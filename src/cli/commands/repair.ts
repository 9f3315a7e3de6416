import { join } from "node:path";
import type { Command } from "commander";
import type { RebuiltIndex } from "../../node/paymentIndex.ts";
import { DATABASE } from "../config/nodeOptions.ts";
import type { Run } from "../run.ts";
import type { Shell } from "../shell.ts";

const EXAMPLE = `
Example:
  $ rivulet repair

For a database that does not open (database_damaged) or stopped its node (record_damaged, journal_damaged). The node must
not run. A backup together with copies of proofs in a second place loses less: try \`rivulet restore\` first if you have them.
`;

const EXPLAINED = `This copies the database, then makes it one that opens again: what can be read is carried over, what cannot is put
aside. Afterwards it counts as a database that lost data: the started node signs nothing for up to an hour, then asks its
peers for its newest proofs. What a peer paid and is lost here, only that peer's honesty brings back. Spending is frozen,
since limits and access tokens may be among what is lost.`;

export function registerRepair(program: Command, run: Run): void {
  program
    .command("repair")
    .description("make a damaged database one that opens, and say what was lost")
    .addHelpText("after", EXAMPLE)
    .action(run(repair));
}

async function repair(shell: Shell): Promise<void> {
  const directory = join(shell.settings.dataDir, DATABASE);
  if (!shell.json) shell.note(`${EXPLAINED}\n`);
  await shell.confirm(`Repair ${directory}?`);
  const waiting = shell.wait("repairing …");
  const { repairDatabase } = await import("../../node/repair.ts");
  const { details, copy, lost, index } = await repairDatabase({
    directory,
    signal: shell.signal,
    onCopy: (path, bytes) => waiting.say(`copying ${bytes / 1_000_000n} MB to ${path} …`),
    onIndex: (updates) => waiting.say(`reading which payment ids paid, ${updates} updates …`),
  });
  waiting.stop();
  if (copy === undefined) {
    const earlier = lost ? " It lost data earlier: `rivulet recovery` says what came back." : "";
    shell.result(
      { repaired: false, details, lost },
      `Nothing is wrong with it; nothing was changed.${earlier}`,
    );
    return;
  }
  shell.result(
    { repaired: true, details, copy, lost, paymentIds: index },
    [
      "What was wrong:",
      ...details.map((detail) => `  ${detail}`),
      "",
      ...keyLines(index),
      "",
      shell.list([["as it was found", copy]]),
      "Keep that until everything is settled.",
      "",
      "Next: `rivulet start`, soon: no node answers a cheat meanwhile. It meets its peers after up to an hour;",
      "`rivulet recovery` says what came back and what is at risk. Spending is frozen: look at `rivulet limits` and",
      "`rivulet token list`, then `rivulet unfreeze`.",
    ].join("\n"),
  );
}

/** Of which earlier calls the same key is still the same call. */
function keyLines(index: RebuiltIndex | undefined): string[] {
  const { rebuilt, lost } = index ?? { rebuilt: 0, lost: [] };
  return [
    "Idempotency-Keys used before:",
    lost.length === 0
      ? "  those of payments are all known where the payment is"
      : "  those of payments are known where the payment is, but for these:",
    ...lost.map((text) => `  ${text}`),
    ...(rebuilt > 0 ? [`  ${rebuilt} that were missing are known again, and pay only once`] : []),
    "  those of sends, openings, deposits, withdrawals and closings cannot be made anew: look for the transaction on the",
    "  chain before one is asked for again",
  ];
}
