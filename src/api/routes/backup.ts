import type { Handlers } from "../handler.ts";

export const backupHandlers: Handlers<"backup"> = {
  backup: async ({ body, caller, signal }, { backups }) => ({
    mediaType: "application/octet-stream",
    fileName: `rivulet-${new Date().toISOString().slice(0, 10)}.backup`,
    body: await backups.stream(body, caller, signal),
  }),
};
