import type { z } from "zod";
import type { RecoveryStatus } from "../../node/backup/backup.ts";
import type { Handlers } from "../handler.ts";
import type { Recovery } from "../schema/recovery.ts";

export const backupHandlers: Handlers<"backup" | "recovery"> = {
  recovery: async (_call, { node }) => {
    const status = await node.backup.recovery();
    return status === undefined ? {} : { recovery: shownRecovery(status) };
  },

  backup: async ({ body, caller, signal }, { backups }) => ({
    mediaType: "application/octet-stream",
    fileName: `rivulet-${new Date().toISOString().slice(0, 10)}.backup`,
    body: await backups.stream(body, caller, signal),
  }),
};

function shownRecovery({
  backupCreatedAt,
  channels,
  details,
  ...rest
}: RecoveryStatus): z.input<typeof Recovery> {
  return {
    ...rest,
    ...(backupCreatedAt > 0 && { backupCreatedAt }),
    details: [...details],
    channels: channels.map(({ recovered, provenThrough, atRisk, phase, ...channel }) => ({
      ...channel,
      phase: phase as z.input<typeof Recovery>["channels"][number]["phase"],
      recovered: { sent: `${recovered.sent}`, received: `${recovered.received}` },
      ...(provenThrough > 0 && { provenThrough }),
      atRisk: `${atRisk}`,
    })),
  };
}
