import type { Handlers } from "../handler.ts";

export const backupHandlers: Handlers<"backup"> = {
  backup: async ({ body }, { node }) => ({
    mediaType: "application/octet-stream",
    fileName: `rivulet-${new Date().toISOString().slice(0, 10)}.backup`,
    body: node.backup.stream({ password: body.password }),
  }),
};
