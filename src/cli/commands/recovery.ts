import type { Command } from "commander";
import type { Run } from "../run.ts";
import { short, timeText } from "../text.ts";

const EXAMPLE = `
Examples:
  $ rivulet recovery
  $ rivulet recovery --json | jq .complete
`;

export function registerRecovery(program: Command, run: Run): void {
  program
    .command("recovery")
    .description(
      "what came back since the database was restored, repaired or found damaged, and what is at risk",
    )
    .addHelpText("after", EXAMPLE)
    .action(
      run(async (shell) => {
        const [client, tokens] = [await shell.client(), await shell.tokens()];
        const { recovery } = await client.recovery();
        if (recovery === undefined) {
          shell.result({}, "the database never lost anything");
          return;
        }
        const { restoredAt, backupCreatedAt, complete, details, channels } = recovery;
        const rows: string[][] = [];
        for (const { channelId, peer, token, phase, shown, recovered, provenThrough, atRisk } of channels) {
          rows.push([
            short(channelId),
            short(peer),
            phase,
            shown ? "yes" : phase === "settled" ? "" : "awaited",
            await tokens.show(recovered.sent, token),
            await tokens.show(recovered.received, token),
            provenThrough === undefined ? "not known" : timeText(provenThrough),
            await tokens.show(atRisk, token),
          ]);
        }
        const head = [
          "channel",
          "peer",
          "phase",
          "peer has shown",
          "ours back",
          "theirs back",
          "proven to",
          "at risk",
        ];
        shell.result(
          recovery,
          [
            shell.list([
              ["since", timeText(restoredAt)],
              [
                "from",
                backupCreatedAt === undefined ? "no backup" : `a backup of ${timeText(backupCreatedAt)}`,
              ],
              ...details.map((detail, at) => [at === 0 ? "found" : "", detail] as const),
              [
                "complete",
                complete ? "yes" : "no: peers are met up to an hour after the start, then each must come",
              ],
            ]),
            "",
            rows.length === 0 ? "no channels" : shell.table(head, rows),
            "",
            "At risk is the most a peer may have paid beyond what is proven here. An honest one returns it; what one",
            "hides, only a copy of its proofs in a second place could show.",
          ].join("\n"),
        );
      }),
    );
}
