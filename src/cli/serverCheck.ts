import { describeFailure, failureOf } from "../chain/error.ts";
import { Eth } from "../chain/eth.ts";
import { Rpc } from "../chain/rpc.ts";
import { isSocket, namedUrls } from "../chain/rpcUrl.ts";
import { SocketRpc } from "../chain/socketRpc.ts";
import type { Address } from "../protocol/index.ts";
import { chainOf } from "./config/nodeOptions.ts";
import type { Settings } from "./config/settings.ts";
import { spanText } from "./text.ts";

/** What `doctor` found out about one thing. */
export interface Check {
  readonly name: string;
  readonly state: "ok" | "warn" | "fail";
  readonly detail: string;
  readonly action?: string;
}

/** How long a server may keep the doctor waiting. */
const PATIENCE_MS = 5_000;

/** Seconds by which this machine's clock and the chain's newest block may differ on a live chain. */
const SKEW = 120;

/** Whether an RPC server, over HTTP or WebSocket, answers, is of the chain, has the escrow and does not lag. */
export async function checkServer(settings: Settings, url: string, at: number): Promise<Check> {
  const name = `RPC server ${at + 1} (${hostOf(url)})`;
  const fail = (detail: string, action: string): Check => ({ name, state: "fail", detail, action });
  let connection: SocketRpc | undefined;
  try {
    const [named] = namedUrls([url]);
    if (isSocket(named!.url)) connection = new SocketRpc({ url, timeoutMs: PATIENCE_MS });
    const options = { signal: AbortSignal.timeout(PATIENCE_MS) };
    const eth = new Eth(connection ?? new Rpc({ url, retries: 0 }));
    const { chainId, preset } = chainOf(settings);
    const found = await eth.chainId(options);
    if (found !== chainId) return fail(`is of chain ${found}, not ${chainId}`, "Correct chain.rpc.");
    if (settings.escrow !== undefined) await eth.checkChain(chainId, settings.escrow as Address, options);
    const head = await eth.newestHeader(options);
    const skew = Math.round(Date.now() / 1000) - head.timestamp;
    const detail = `block ${head.number}, ${spanText(Math.abs(skew))} ${skew < 0 ? "ahead of" : "behind"} this clock`;
    if (preset?.staleAfter === "never" || Math.abs(skew) <= SKEW) return { name, state: "ok", detail };
    return {
      name,
      state: "warn",
      detail,
      action: "Check this machine's clock (NTP) and whether the server lags.",
    };
  } catch (error) {
    const failure = failureOf(error);
    if (failure?.code === "contract_missing")
      return fail(`has no escrow at ${settings.escrow}`, "Correct chain.escrow, or chain.rpc.");
    const reason = failure === undefined ? (error as Error).message : describeFailure(failure);
    return fail(`does not answer (${reason})`, "Correct chain.rpc.");
  } finally {
    connection?.close();
  }
}

function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return "no URL";
  }
}
