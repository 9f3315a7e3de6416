import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { type DaemonWorld, openDaemons, openThroughApi, type TestDaemon, until } from "./support/daemons.ts";

const DASHBOARD = new URL("../../docs/grafana/rivulet.json", import.meta.url);

let world: DaemonWorld;
let alice: TestDaemon;
let bob: TestDaemon;

beforeAll(async () => {
  world = await openDaemons();
  [alice, bob] = [await world.daemon(), await world.daemon()];
}, 60_000);
afterAll(() => world?.stop());

/** The values of a scrape, by name and labels as they stand there. */
async function scrape(daemon: TestDaemon): Promise<Map<string, number>> {
  const { body } = await daemon.call("/metrics");
  const lines = (body as string).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

describe("metrics", () => {
  it("tell of payments, channels, capacity, the chain, the disk, the wallet and the calls", async () => {
    const channelId = await openThroughApi(alice, bob, { token: ZERO_ADDRESS, deposit: 10n ** 15n });
    for (const [key, amount] of [
      ["a", "5"],
      ["b", "7"],
      ["b", "7"],
    ] as const) {
      await alice.call("/v1/payments", { body: { channelId, amount }, key });
    }
    const sent = await scrape(alice);
    const of = (name: string) => sent.get(name);
    const token = `token="${ZERO_ADDRESS}"`;
    expect(of(`rivulet_payments_total{direction="sent",${token}}`)).toBe(2);
    expect(of(`rivulet_payment_value_total{direction="sent",${token}}`)).toBe(12);
    expect(of("rivulet_pay_seconds_count")).toBe(2);
    expect(of('rivulet_http_requests_total{route="/v1/payments",status="200"}')).toBe(3);
    expect(of("rivulet_chain_fresh")).toBe(1);
    expect(of("rivulet_chain_block")).toBeGreaterThan(0);
    expect(of("rivulet_peers")).toBe(1);
    expect(of('rivulet_gas_wallet_wei{kind="balance"}')).toBeGreaterThan(
      of('rivulet_gas_wallet_wei{kind="needed"}')!,
    );
    expect(of('rivulet_write_seconds_count{synced="true"}')).toBeGreaterThan(0);
    expect(of('rivulet_queue_depth{queue="operations"}')).toBe(0);
    expect(of('rivulet_info{version="1.2.3"}')).toBe(1);
    expect(of("process_resident_memory_bytes")).toBeGreaterThan(0);
    await alice.daemon.node.history.append("decision", { rule: "node.perDay" });
    await until(
      () => scrape(alice),
      (values) => values.get('rivulet_limits_tripped_total{rule="node.perDay"}') === 1,
    );
    const received = await until(
      () => scrape(bob),
      (values) => values.get(`rivulet_payments_total{direction="received",${token}}`) === 2,
    );
    expect(received.get(`rivulet_payment_value_total{direction="received",${token}}`)).toBe(12);
    // Sums over channels are looked up again after some seconds.
    const summed = await until(
      () => scrape(alice),
      (values) => values.get('rivulet_channels{phase="open"}') === 1,
    );
    expect(summed.get(`rivulet_capacity{${token},direction="sent"}`)).toBeGreaterThan(0);
  });

  it("name no peer, no channel and no access token", async () => {
    const { body } = await alice.call("/metrics");
    for (const secret of [bob.daemon.node.signer, bob.daemon.node.account, alice.daemon.adminToken]) {
      expect(body).not.toContain(secret);
    }
    expect(body).not.toMatch(/0x[0-9a-f]{64}/);
  });

  it("are shown by the dashboard, which asks for nothing that does not exist", async () => {
    const { panels } = JSON.parse(await readFile(DASHBOARD, "utf8")) as {
      panels: { title: string; targets: { expr: string }[] }[];
    };
    const { body } = await alice.call("/metrics");
    const names = new Set(
      [...(body as string).matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name, type]) =>
        type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name!],
      ),
    );
    const shown = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    expect(shown.length).toBeGreaterThan(15);
    const asked = new Set(
      shown.flatMap((expr) => expr.match(/\b(?:rivulet|process|nodejs)_[a-z0-9_]+/g) ?? []),
    );
    expect([...asked].filter((name) => !names.has(name))).toEqual([]);
    // Whatever the node measures about itself is on it, but for what says which node it is.
    const own = [...names].filter((name) => name.startsWith("rivulet_") && !/_(sum|count)$/.test(name));
    expect(own.filter((name) => !asked.has(name) && name !== "rivulet_info")).toEqual([]);
  });
});
