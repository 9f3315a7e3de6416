import { access, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { VERSION } from "../../api/version.ts";
import type { Recovery } from "../../client/index.ts";
import { ApiProblem } from "../../client/problem.ts";
import { formatUnits } from "../amounts.ts";
import { chainOf, DATABASE, KEYSTORE } from "../config/nodeOptions.ts";
import { EXIT } from "../exitCodes.ts";
import type { Run } from "../run.ts";
import { type Check, checkServer } from "../serverCheck.ts";
import type { Shell } from "../shell.ts";
import { spanText } from "../text.ts";
import { isUnknown } from "./status.ts";

const EXAMPLE = `
Examples:
  $ rivulet doctor
  $ rivulet doctor --json | jq '.checks[] | select(.state != "ok")'
`;

/** How long the node may keep the doctor waiting. */
const PATIENCE_MS = 5_000;

/** Bytes below which a disk is nearly full. */
const LOW_DISK = 1_000_000_000n;

/** What a node of another version says to calls it does not know. */
const UNKNOWN_CALLS: ReadonlySet<string> = new Set([
  "route_unknown",
  "method_not_allowed",
  "request_invalid",
]);

export function registerDoctor(program: Command, run: Run): void {
  program
    .command("doctor")
    .description("look at everything that can be wrong, and say what to do about it")
    .addHelpText("after", EXAMPLE)
    .action(run(doctor));
}

async function doctor(shell: Shell): Promise<void> {
  const checks: Check[] = [];
  for (const look of [runtime, configuration, keys, disk, chain, node]) checks.push(...(await look(shell)));
  const marks = { ok: "ok  ", warn: "WARN", fail: "FAIL" } as const;
  const text = checks
    .map(({ name, state, detail, action }) => {
      const first = `${marks[state]}  ${name}: ${detail}`;
      return action === undefined ? first : `${first}\n      → ${action}`;
    })
    .join("\n");
  const worst = checks.some(({ state }) => state === "fail");
  shell.result({ healthy: !worst, checks }, text);
  if (worst) process.exitCode = EXIT.found;
}

async function runtime(): Promise<Check[]> {
  const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
  const good = major > 22 || (major === 22 && minor >= 13);
  const name = "Node.js";
  if (good) return [{ name, state: "ok", detail: process.versions.node }];
  return [
    { name, state: "fail", detail: `${process.versions.node} is too old`, action: "Install 22.13 or newer." },
  ];
}

async function configuration({ settings }: Shell): Promise<Check[]> {
  const name = "configuration";
  try {
    const { chainId, preset } = chainOf(settings);
    const missing = [
      ...(settings.rpc.length === 0 ? ["chain.rpc"] : []),
      ...(settings.escrow === undefined ? ["chain.escrow"] : []),
    ];
    if (missing.length > 0) {
      return [
        { name, state: "fail", detail: `${missing.join(" and ")} not set`, action: "Run `rivulet init`." },
      ];
    }
    return [{ name, state: "ok", detail: `${preset?.title ?? "chain"} (${chainId})` }];
  } catch (error) {
    return [{ name, state: "fail", detail: (error as Error).message, action: "Run `rivulet init`." }];
  }
}

/** Any right of the group or of others. */
const OTHERS = 0o077;

async function keys({ settings }: Shell): Promise<Check[]> {
  const path = join(settings.dataDir, KEYSTORE);
  const name = "keystore";
  try {
    const { mode } = await stat(path);
    if ((mode & OTHERS) === 0 || process.platform === "win32") return [{ name, state: "ok", detail: path }];
    const action = `chmod 600 ${path}`;
    return [{ name, state: "fail", detail: `others may read ${path}`, action }];
  } catch {
    return [{ name, state: "fail", detail: `no keys in ${path}`, action: "Run `rivulet init`." }];
  }
}

async function disk({ settings }: Shell): Promise<Check[]> {
  const name = "disk";
  try {
    await access(settings.dataDir);
    const { bavail, bsize } = await statfs(settings.dataDir, { bigint: true });
    const free = bavail * bsize;
    const detail = `${free / 1_000_000n} MB free for ${join(settings.dataDir, DATABASE)}`;
    if (free > LOW_DISK) return [{ name, state: "ok", detail }];
    return [{ name, state: "warn", detail, action: "Free some space: on a full disk the node stops." }];
  } catch {
    return [
      { name, state: "warn", detail: `${settings.dataDir} is not there yet`, action: "Run `rivulet init`." },
    ];
  }
}

async function chain(shell: Shell): Promise<Check[]> {
  const { settings } = shell;
  return Promise.all(settings.rpc.map((url, at) => checkServer(settings, url, at)));
}

async function node(shell: Shell): Promise<Check[]> {
  const name = "node";
  const signal = AbortSignal.any([shell.signal, AbortSignal.timeout(PATIENCE_MS)]);
  let otherVersion: Check | undefined;
  try {
    const client = await shell.client();
    const status = await client.status({ signal });
    if (status.version !== VERSION) {
      const detail = `version ${status.version} runs, this command is ${VERSION}`;
      const action = "Restart the node: `rivulet stop`, then `rivulet start`.";
      otherVersion = { name, state: "warn", detail, action };
    }
    if (status.waitsFor !== undefined) {
      const detail = `version ${status.version}, starting, waits for ${status.waitsFor}`;
      const action =
        "It starts by itself once that is there; meanwhile it sees no cheat. Check the RPC servers.";
      return [{ name, state: "fail", detail, action }];
    }
    const { balance, needed, enough } = status.gasWallet;
    const gas = `${formatUnits(balance, 18)} ${status.nativeSymbol}, ${formatUnits(needed, 18)} needed to answer disputes`;
    return [
      otherVersion ?? { name, state: "ok", detail: `version ${status.version}, ${status.state}` },
      status.chain.fresh
        ? { name: "chain", state: "ok", detail: `block ${status.chain.block}` }
        : {
            name: "chain",
            state: "fail",
            detail: `the newest block is ${spanText(status.chain.lagSeconds)} old (${status.chain.failure ?? "stale"})`,
            action: "Nothing is paid until this is over. Check the RPC servers.",
          },
      enough
        ? { name: "gas wallet", state: "ok", detail: gas }
        : isUnknown(status.gasWallet)
          ? { name: "gas wallet", state: "warn", detail: "unknown: the chain does not answer" }
          : {
              name: "gas wallet",
              state: "fail",
              detail: gas,
              action: `Send ${status.nativeSymbol} to ${status.account}: without gas a cheat cannot be answered.`,
            },
      status.peers.connected > 0 || status.channels.total === 0
        ? {
            name: "peers",
            state: "ok",
            detail: `${status.peers.connected} connected of ${status.peers.known} known`,
          }
        : { name: "peers", state: "warn", detail: "none connected", action: "`rivulet peers` says why." },
      ...status.payouts.map(({ token, amount }) => ({
        name: "payout",
        state: "warn" as const,
        detail: `the escrow keeps ${amount} base units of ${token} that were refused when they were paid out`,
        action: `\`rivulet withdraw-payout ${token}\` fetches them, with --to to another address.`,
      })),
      ...recoveryOf((await client.recovery({ signal })).recovery),
      ...(status.frozen === undefined
        ? []
        : [
            {
              name: "spending",
              state: "warn" as const,
              detail: `frozen: ${status.frozen.reason}`,
              action: "`rivulet limits decisions` says why; `rivulet unfreeze` thaws it.",
            },
          ]),
    ];
  } catch (error) {
    // What another version does not know or tells otherwise is no fault of token or chain.
    if (otherVersion !== undefined) return [otherVersion];
    const refused = error instanceof ApiProblem;
    if (refused && UNKNOWN_CALLS.has(error.code)) {
      const detail = `answers, and does not know what version ${VERSION} asks: ${error.title}`;
      return [{ name, state: "fail", detail, action: "It is of another version: restart it." }];
    }
    const detail = refused ? `answers, and refuses: ${error.title}` : "does not run, or does not answer";
    const action = refused ? "Check RIVULET_TOKEN or --token." : "`rivulet start` runs it.";
    return [{ name, state: refused ? "fail" : "warn", detail, action }];
  }
}

function recoveryOf(recovery: Recovery | undefined): Check[] {
  if (recovery === undefined || recovery.complete) return [];
  const awaited = recovery.channels.filter(({ shown, phase }) => !shown && phase !== "settled").length;
  return [
    {
      name: "recovery",
      state: "warn",
      detail: `the database lost data; ${awaited} channels wait for their peers to show what they hold`,
      action: "`rivulet recovery` says which. Connect to those peers.",
    },
  ];
}
