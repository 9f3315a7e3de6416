import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { loadConfiguration } from "../../src/cli/config/load.ts";
import { checkServer } from "../../src/cli/serverCheck.ts";
import { SocketServer } from "../chain/support/socketServer.ts";
import { openWorld, type World } from "../node/support/world.ts";

let world: World;
let server: SocketServer | undefined;
beforeAll(async () => {
  world = await openWorld();
});
afterEach(() => server?.stop());
afterAll(() => world?.stop());

async function look(url: string, env: Record<string, string> = {}) {
  const { settings } = await loadConfiguration({
    flags: {},
    env: {
      RIVULET_CONFIG: "none.toml",
      RIVULET_CHAIN_NAME: "hardhat",
      RIVULET_CHAIN_ESCROW: world.escrowAddress,
      ...env,
    },
  });
  return checkServer(settings, url, 0);
}

/** A server of Base whose newest block is of `time`, or that says nothing. */
async function serverOf(time: number | undefined): Promise<string> {
  server = await new SocketServer().start();
  const hash = `0x${"11".repeat(32)}`;
  const results: Readonly<Record<string, unknown>> = {
    eth_chainId: "0x2105",
    eth_getCode: "0x6001",
    eth_getBlockByNumber: {
      number: "0x7",
      hash,
      parentHash: hash,
      timestamp: `0x${(time ?? 0).toString(16)}`,
      baseFeePerGas: "0x1",
    },
  };
  server.answer = ({ id, method }) =>
    time === undefined ? undefined : JSON.stringify({ jsonrpc: "2.0", id, result: results[method] });
  return server.url;
}

describe.each(["http", "ws"])("a server over %s", (scheme) => {
  const url = () => world.chain.provider._getConnection().url.replace("http", scheme);

  it("is fine where it is of the chain, has the escrow and tells blocks", async () => {
    expect(await look(url())).toMatchObject({ state: "ok", detail: expect.stringMatching(/^block [0-9]+/) });
  });

  it("fails where it is of another chain, has no escrow, or does not answer", async () => {
    expect(await look(url(), { RIVULET_CHAIN_NAME: "base" })).toMatchObject({
      state: "fail",
      detail: "is of chain 31337, not 8453",
    });
    expect(await look(url(), { RIVULET_CHAIN_ESCROW: `0x${"e5".repeat(20)}` })).toMatchObject({
      state: "fail",
      detail: expect.stringContaining("has no escrow"),
    });
    expect(await look(`${scheme}://127.0.0.1:9`)).toMatchObject({
      state: "fail",
      detail: expect.stringContaining("rpc_down"),
    });
  });
});

describe("a server over WebSocket", () => {
  it("that lags is told from one that does not", async () => {
    const now = Math.floor(Date.now() / 1000);
    const base = { RIVULET_CHAIN_NAME: "base" };
    expect((await look(await serverOf(now), base)).state).toBe("ok");
    expect(await look(await serverOf(now - 900), base)).toMatchObject({
      state: "warn",
      detail: expect.stringMatching(/^block 7, 15.* behind this clock/),
    });
  });

  it("that connects and says nothing does not answer", async () => {
    expect(await look(await serverOf(undefined))).toMatchObject({ state: "fail" });
    await vi.waitUntil(() => server!.open === 0);
  });

  it("whose URL holds what cannot be sent is refused without showing it", async () => {
    const check = await look("ws://user:secret@127.0.0.1:9");
    expect(check.state).toBe("fail");
    expect(JSON.stringify(check)).not.toContain("secret");
  });
});
