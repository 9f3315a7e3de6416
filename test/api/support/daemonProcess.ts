// A daemon in a process of its own, for tests that end it by a signal. Its options come as the first message.
import { type Daemon, startDaemon } from "../../../dist/api/daemon.js";
import type { NodeOptions } from "../../../dist/node/index.js";

let daemon: Daemon | undefined;

process.once("message", async (node: NodeOptions) => {
  daemon = await startDaemon({ node, api: { port: 0 }, version: "1.2.3" });
  const { url, adminToken } = daemon;
  process.send?.({ url, adminToken, account: daemon.node.account, address: daemon.node.addresses[0] });
});
process.once("SIGTERM", () => {
  void daemon?.stop().then(() => process.exit(0));
});
process.once("disconnect", () => process.exit());
