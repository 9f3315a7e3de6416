import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../api/daemon.ts";
import type { Runner } from "./devNode.ts";

/** This package's version, from sources and from the build alike. */
function version(): string {
  const text = readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** Runs nodes with their HTTP API, as people run them. `portOf`: where each one's API listens; 0 is the system's choice. */
export function runDaemons(portOf: (n: number) => number, origins: readonly string[]): Runner {
  const own = version();
  return async (options, n) => {
    const daemon = await startDaemon({
      node: options,
      api: { port: portOf(n), origins },
      version: own,
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
