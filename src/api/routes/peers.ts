import type { Address } from "../../protocol/index.ts";
import type { Handlers } from "../handler.ts";

export const peersHandlers: Handlers<"peers" | "connect" | "disconnect"> = {
  peers: async (_call, { peers }) => ({ items: await peers.list() }),
  connect: async ({ body, signal }, { peers }) => peers.connect(body.address, signal),
  disconnect: async ({ params }, { peers }) => {
    await peers.forget(params.signer as Address);
    return undefined;
  },
};
