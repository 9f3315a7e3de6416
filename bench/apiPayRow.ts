import { measurePaying, paramsOf, rateOf } from "./measurePaying.ts";
import type { BenchOptions } from "./options.ts";
import { type Measured, median, quantile, rounded } from "./row.ts";
import { World } from "./world.ts";

const CONNECTIONS = 16;

/** Two daemons with one channel; a client in a process of its own pays through the payer's HTTP API. */
export function apiPay(options: BenchOptions): Promise<readonly Measured[]> {
  return World.with(options, async (world) => {
    const [payer, payee] = [await world.daemon("payer"), await world.daemon("payee")];
    const channelIds = [await world.open(payer, payee)];
    const manner = {
      kind: "http",
      connections: CONNECTIONS,
      url: payer.url,
      accessToken: payer.accessToken,
    } as const;
    const flow = {
      payer: payer.host,
      payee: payee.host,
      caller: world.host("client"),
      routes: [{ node: 0, channelIds }],
      manner,
    };
    const all = await measurePaying(options, [flow]);
    const at = (p: number) => rounded(median(all.map(({ latencies }) => quantile(latencies, p))));
    const params = {
      connections: CONNECTIONS,
      ...paramsOf(all),
      p50Millis: at(0.5),
      p99Millis: at(0.99),
    };
    return [{ name: "api-pay", unit: "/s", values: all.map(rateOf), params }] as const;
  });
}
