// A daemon in a process of its own, for tests that end it by a signal. Its options come as the first message.
import { type Daemon, type DaemonOptions, startDaemon } from "../../../dist/api/daemon.js";

let daemon: Daemon | undefined;

process.once("message", async ({ node, api }: Omit<DaemonOptions, "version">) => {
  daemon = await startDaemon({ node, api: { port: 0, ...api }, version: "1.2.3" });
  const { url, adminToken } = daemon;
  const { account, signer, addresses } = daemon.node;
  process.send?.({ url, adminToken, account, signer, address: addresses[0] });
});
// A limit on the size of files is a full disk, not the end.
process.on("SIGXFSZ", () => {});
process.once("SIGTERM", () => {
  void daemon?.stop().then(() => process.exit(0));
});
process.once("disconnect", () => process.exit());
