import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROUTES } from "../../src/api/schema/routes.ts";
import { ApiProblem, type Event, RivuletClient, Unreachable } from "../../src/client/index.ts";
import { CALLS, IDEMPOTENT } from "../../src/client/routes.ts";
import { type DaemonWorld, openDaemons, openThroughApi, type TestDaemon } from "../api/support/daemons.ts";

let world: DaemonWorld;
let alice: TestDaemon;
let bob: TestDaemon;
let channelId: `0x${string}`;

beforeAll(async () => {
  world = await openDaemons();
  [alice, bob] = [await world.daemon(), await world.daemon()];
  channelId = (await openThroughApi(alice, bob, {
    token: world.tokenAddress,
    deposit: 10n ** 9n,
  })) as `0x${string}`;
}, 60_000);

afterAll(() => world?.stop());

function clientOf({ daemon: { url, adminToken } }: TestDaemon, retries?: number): RivuletClient {
  return new RivuletClient({ url, token: adminToken, ...(retries !== undefined && { retries }) });
}

describe("the client", () => {
  it("has every call of the API's document, and no other", async () => {
    const document = (await (await fetch(`${alice.daemon.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const called = Object.values(CALLS).map(
      ([method, path]) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`,
    );
    expect(documented.filter((one) => one.includes("/v1/")).sort()).toEqual(called.sort());
    const keyed = Object.entries(ROUTES).filter(([, route]) => "idempotent" in route);
    expect(Object.keys(IDEMPOTENT).sort()).toEqual(keyed.map(([name]) => name).sort());
  });

  it("pays with a bigint, and the same key is the same payment", async () => {
    const client = clientOf(alice);
    const body = { channelId, amount: 5n };
    const first = await client.pay({ body, idempotencyKey: "five" });
    expect(first).toMatchObject({ channelId, amount: "5" });
    expect(await client.pay({ body, idempotencyKey: "five" })).toEqual(first);
    await client.pay({ body });
    expect((await client.channel({ params: { channelId } })).sent).toBe("10");
  });

  it("gives a refusal as a problem, and silence as unreachable with the key to ask again", async () => {
    const client = clientOf(alice);
    const refused = client.pay({ body: { channelId, amount: 10n ** 12n } });
    await expect(refused).rejects.toThrow(ApiProblem);
    await expect(refused).rejects.toMatchObject({ code: "insufficient_capacity", moneyAtStake: false });
    const nobody = new RivuletClient({ url: "http://127.0.0.1:1", retries: 0 });
    const unheard = nobody.pay({ body: { channelId, amount: 1n }, idempotencyKey: "again" });
    await expect(unheard).rejects.toThrow(Unreachable);
    await expect(unheard).rejects.toMatchObject({ idempotencyKey: "again" });
  });

  it("tells every payment once, over a restart of the node", async () => {
    const payer = clientOf(bob);
    const stop = new AbortController();
    const seen: string[] = [];
    let reconnected = 0;
    const port = new URL(alice.daemon.url).port;
    const follower = clientOf(alice);
    const following = (async () => {
      const options = { types: ["payment"] as const, signal: stop.signal, onReconnect: () => reconnected++ };
      for await (const event of follower.events({ after: "0", ...options })) {
        const { payment } = event as Extract<Event, { type: "payment" }>;
        if (payment.direction === "received") seen.push(payment.amount);
      }
    })().catch(() => {});
    for (let amount = 1; amount <= 3; amount++)
      await payer.pay({ body: { channelId, amount: BigInt(amount) } });
    await expect.poll(() => seen).toEqual(["1", "2", "3"]);
    await alice.daemon.stop();
    await alice.restart({ port: Number(port) });
    await clientOf(alice).connect({ body: { address: bob.daemon.node.addresses[0]! } });
    for (let amount = 4; amount <= 6; amount++)
      await payer.pay({ body: { channelId, amount: BigInt(amount) } });
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual(["1", "2", "3", "4", "5", "6"]);
    expect(reconnected).toBeGreaterThan(0);
    stop.abort();
    await following;
  }, 60_000);

  it("fits into a page: nothing of Node's, and small", async () => {
    const { outputFiles, metafile } = await build({
      entryPoints: ["src/client/index.ts"],
      bundle: true,
      minify: true,
      write: false,
      format: "esm",
      platform: "browser",
      metafile: true,
    });
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.filter((input) => input.startsWith("src/") && !input.startsWith("src/client/"))).toEqual(
      [],
    );
    expect(outputFiles[0]!.contents.length).toBeLessThan(30_000);
  });
});
