import { writeSync } from "node:fs";
import { openDatabase } from "../../src/store/levelDatabase.ts";
import { openLevelStore } from "../../src/store/levelStore.ts";
import { openPowerLossLevelStore } from "../../src/store/powerLossStore.ts";
import { LedgerWriter } from "./ledger.ts";

/**
 * A process for a test to kill: commits to all channels at once, for ever, and prints what has been acknowledged as
 * durable. Arguments: directory, seed, `level` or `power` or `power-nosync`, channels.
 */
const [directory, seedText, kind, channelsText] = process.argv.slice(2) as [string, string, string, string];
const seed = Number(seedText);
const channels = Number(channelsText);
// A small buffer makes LevelDB change logs and write tables while it is being killed.
const writeBufferSize = 1 << 18;

const database = await openDatabase(directory, {
  openStore: (path) =>
    kind === "level"
      ? openLevelStore(path, { writeBufferSize })
      : openPowerLossLevelStore(path, {
          writeBufferSize,
          seed,
          tail: "prefix",
          ignoreSync: kind === "power-nosync",
        }),
});
if (database.integrity.lost) {
  writeSync(1, `lost ${database.integrity.details.join("; ")}\n`);
  process.exit(3);
}
const writer = await LedgerWriter.on(database, channels);
writeSync(1, "ready\n");
await Promise.all(
  Array.from({ length: channels }, async (_, channel) => {
    for (let i = 0; ; i++) {
      // Unsynced ones are part of the game; only what was acknowledged as synced is claimed.
      const sync = (i + channel) % 3 !== 0;
      const [, sequence] = await writer.commit(channel, sync);
      if (sync) writeSync(1, `ack ${channel} ${sequence}\n`);
    }
  }),
);
