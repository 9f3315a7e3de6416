import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seedChannels } from "../../bench/seed.ts";
import type { NodeOptions } from "../../src/node/index.ts";
import { type DaemonWorld, openDaemons } from "./support/daemons.ts";
import { DaemonProcess } from "./support/processes.ts";

const CHANNELS = 10_000;
const PEERS = 50;
const PAGE = 500;
const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

let world: DaemonWorld;
let options: NodeOptions;
let daemon: DaemonProcess;
const took: Record<string, number> = {};

async function timed<Value>(what: string, run: () => Promise<Value>): Promise<Value> {
  const began = performance.now();
  const value = await run();
  took[what] = Math.round(performance.now() - began);
  return value;
}

beforeAll(async () => {
  world = await openDaemons();
  options = await world.options();
  const empty = await DaemonProcess.start(options);
  const { place } = empty;
  await empty.end("SIGTERM");
  await seedChannels({
    directory: options.directory,
    owner: place,
    chain: { rpcUrl: `${options.rpcUrl}`, chainId: 31337n, escrow: world.escrowAddress },
    channels: CHANNELS,
    peers: PEERS,
  });
  daemon = await timed("start", () => DaemonProcess.start(options));
}, 120_000);
afterAll(async () => {
  await DaemonProcess.endAll();
  await world?.stop();
});

interface Listed {
  readonly channelId: string;
  readonly peer: string;
  readonly phase: string;
}

/** Every page of a list, and the slowest, in milliseconds. */
async function pages(query: string): Promise<{ items: Listed[]; slowest: number }> {
  const items: Listed[] = [];
  let slowest = 0;
  let cursor: string | undefined;
  do {
    const began = performance.now();
    const { status, body } = await daemon.call(
      `/v1/channels?${query}${cursor === undefined ? "" : `&cursor=${cursor}`}`,
    );
    slowest = Math.max(slowest, performance.now() - began);
    expect(status).toBe(200);
    items.push(...body.items);
    cursor = body.next;
  } while (cursor !== undefined);
  return { items, slowest };
}

describe(`a node with ${CHANNELS} channels`, () => {
  it("starts in seconds", () => {
    expect(took.start).toBeLessThan(20_000);
  });

  it("lists every one exactly once, page by page, and by peer and phase", async () => {
    const { items, slowest } = await pages(`limit=${PAGE}`);
    took.page = Math.round(slowest);
    expect(new Set(items.map(({ channelId }) => channelId)).size).toBe(CHANNELS);
    expect(items.length).toBe(CHANNELS);
    expect(items.map(({ channelId }) => channelId)).toEqual(items.map(({ channelId }) => channelId).sort());
    expect(slowest).toBeLessThan(5_000);
    const { peer } = items[0]!;
    const ofPeer = await timed("of one peer", () => pages(`limit=${PAGE}&peer=${peer}`));
    expect(ofPeer.items).toEqual(items.filter((one) => one.peer === peer));
    expect(ofPeer.items.length).toBe(CHANNELS / PEERS);
    expect((await pages(`limit=${PAGE}&phase=open`)).items.length).toBe(CHANNELS);
    expect((await timed("none", () => pages(`limit=${PAGE}&phase=settled`))).items).toEqual([]);
  }, 120_000);

  it("says quickly how it is", async () => {
    const { body } = await timed("status", () => daemon.call("/v1/node"));
    expect(body.channels).toMatchObject({ total: CHANNELS, open: CHANNELS });
    await timed("metrics", () => daemon.metric("process_resident_memory_bytes"));
    expect(took.status).toBeLessThan(5_000);
    expect(took.metrics).toBeLessThan(5_000);
  });

  it("prints them", async () => {
    const { url, adminToken } = daemon.place;
    const list = async (...args: string[]) => {
      const child = spawn(process.execPath, [MAIN, "channels", ...args], {
        env: { PATH: process.env.PATH, RIVULET_URL: url, RIVULET_TOKEN: adminToken, NO_COLOR: "1" },
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [printed] = await Promise.all([text(child.stdout), once(child, "close")]);
      return printed;
    };
    const all = await timed("rivulet channels --all", () => list("--all"));
    expect(all.match(/^ *0x/gm)?.length).toBe(CHANNELS);
    const first = await list();
    expect(all.startsWith(first.slice(0, first.indexOf("There are more")).trimEnd().slice(0, 300))).toBe(
      true,
    );
    expect(first.match(/^ *0x/gm)?.length).toBe(100);
    expect(first).toMatch("There are more: --all lists them.");
    expect(took["rivulet channels --all"]).toBeLessThan(60_000);
  }, 120_000);
});
