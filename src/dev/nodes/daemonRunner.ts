import { startDaemon } from "../../api/daemon.ts";
import { VERSION } from "../../api/version.ts";
import type { Runner } from "./devNode.ts";

/** Runs nodes with their HTTP API, as people run them. `portOf`: where each one's API listens; 0 is the system's choice. */
export function runDaemons(portOf: (n: number) => number, origins: readonly string[]): Runner {
  return async (options, n) => {
    const daemon = await startDaemon({
      node: options,
      api: { port: portOf(n), origins },
      version: VERSION,
      // Beside the node's database, which holds nothing else.
      adminTokenFile: `${options.directory}.token`,
    });
    return {
      node: daemon.node,
      api: { url: daemon.url, token: daemon.adminToken },
      stop: () => daemon.stop(),
    };
  };
}
