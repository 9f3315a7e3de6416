import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { RivuletNode } from "../node/node.ts";
import type { EventStreams } from "./eventStreams.ts";
import type { Operations } from "./operations.ts";
import type { MetricsPage } from "./pages.ts";
import type { Paying } from "./paying.ts";

/** Tokens and codes that get a label of their own; the rest are `other`: strangers must not fill the memory. */
const MAX_LABELS = 100;

/** How long the chain's server may keep a scrape waiting for the gas wallet, and how long its answer counts. */
const GAS_PATIENCE_MS = 2_000;
const GAS_AGE_MS = 30_000;

/** Seconds: a payment takes a millisecond between idle nodes, and half a minute at most. */
const PAY_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 30];
const CALL_BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60];
const WRITE_BUCKETS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];

interface MetricsInit {
  readonly node: RivuletNode;
  readonly version: string;
  readonly streams: EventStreams;
  readonly operations: () => Operations;
  readonly paying: () => Paying;
}

/** Names that are used as labels, as many as are bounded. */
class LabelSet {
  readonly #names = new Set<string>();

  of(name: string): string {
    if (this.#names.has(name)) return name;
    if (this.#names.size >= MAX_LABELS) return "other";
    this.#names.add(name);
    return name;
  }
}

/** Wei; not a number where it is not known. */
interface GasFigures {
  readonly balance: number;
  readonly needed: number;
}

/** What a node measures about itself, for Prometheus. Values of money are floats here and nowhere else. */
export class Metrics implements MetricsPage {
  readonly #registry = new Registry();
  readonly #init: MetricsInit;
  readonly #tokens = new LabelSet();
  readonly #codes = new LabelSet();
  readonly #rules = new LabelSet();
  readonly #payments: Counter;
  readonly #value: Counter;
  readonly #paySeconds: Histogram;
  readonly #trips: Counter;
  readonly #calls: Counter;
  readonly #callSeconds: Histogram;
  #gas: { readonly at: number; readonly told: Promise<GasFigures> } | undefined;

  constructor(init: MetricsInit) {
    this.#init = init;
    const direction = ["direction", "token"];
    this.#payments = this.#counter("payments_total", "Payments that are final", direction);
    this.#value = this.#counter("payment_value_total", "Value of final payments, base units", direction);
    this.#paySeconds = this.#histogram(
      "pay_seconds",
      "From the call to the payee's acknowledgement",
      [],
      PAY_BUCKETS,
    );
    this.#trips = this.#counter("limits_tripped_total", "Decisions of limits and alarms", ["rule"]);
    this.#calls = this.#counter("http_requests_total", "Calls of the API", ["route", "status"]);
    this.#callSeconds = this.#histogram("http_request_seconds", "Calls of the API", ["route"], CALL_BUCKETS);
    this.#listen();
    this.#look();
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Every metric's name. */
  names(): string[] {
    return this.#registry.getMetricsAsArray().map(({ name }) => name);
  }

  /** A call of the API was answered. */
  readonly call = (route: string, status: number, seconds: number): void => {
    this.#calls.inc({ route, status });
    this.#callSeconds.observe({ route }, seconds);
  };

  /** A payment of ours is final. */
  paid(token: string, amount: bigint, seconds: number): void {
    this.#count("sent", token, 1, amount);
    this.#paySeconds.observe(seconds);
  }

  /** Counts what limits and alarms decide from now on, as the log tells it, until the node stops. */
  async #follow(): Promise<void> {
    const { history } = this.#init.node;
    if (!history.isOn) return;
    try {
      for await (const event of history.events({ types: ["decision"] })) {
        if (event.type !== "decision") continue;
        const { rule } = event.data as { readonly rule: string };
        this.#trips.inc({ rule: this.#rules.of(rule) });
      }
    } catch {
      // The node stops, or nothing is kept that long: counting ends, nothing else does.
    }
  }

  #count(direction: string, token: string, count: number, amount: bigint): void {
    const labels = { direction, token: this.#tokens.of(token) };
    this.#payments.inc(labels, count);
    this.#value.inc(labels, Number(amount));
  }

  #listen(): void {
    const { node } = this.#init;
    const disputes = this.#counter("disputes_total", "What was seen or done about closing channels", [
      "action",
    ]);
    const warnings = this.#counter("warnings_total", "Warnings to the operator", ["code"]);
    const writes = this.#histogram(
      "write_seconds",
      "Batches written to the database",
      ["synced"],
      WRITE_BUCKETS,
    );
    node.on("dispute", ({ action }) => disputes.inc({ action: this.#codes.of(action) }));
    node.on("warning", ({ code }) => warnings.inc({ code: this.#codes.of(code) }));
    node.on("payments", (batch) => {
      let count = 0;
      let amount = 0n;
      for (const payment of batch) {
        count++;
        amount += payment.amount;
      }
      this.#count("received", batch.token, count, amount);
    });
    void this.#follow();
    node.overview.onWrite((seconds, synced) => writes.observe({ synced: String(synced) }, seconds));
  }

  /** What is looked up when somebody scrapes. */
  #look(): void {
    const { node, version, streams, operations, paying } = this.#init;
    const { overview } = node;
    this.#gauge("info", "This node", ["version"], (gauge) => gauge.set({ version }, 1));
    this.#gauge("chain_block", "The newest block", [], (gauge) => gauge.set(node.chainStatus().block));
    this.#gauge("chain_lag_seconds", "Between our clock and the newest block", [], (gauge) =>
      gauge.set(node.chainStatus().lagSeconds),
    );
    this.#gauge("chain_fresh", "1 while payments may be signed", [], (gauge) =>
      gauge.set(node.chainStatus().fresh ? 1 : 0),
    );
    this.#gauge("peers", "Peers with a session", [], (gauge) => gauge.set(overview.connectedPeers));
    this.#gauge("connections", "Connections of peers", [], (gauge) => gauge.set(overview.connections));
    this.#gauge("event_streams", "Event streams that are open", [], (gauge) => gauge.set(streams.size));
    this.#gauge("queue_depth", "What waits", ["queue"], (gauge) => {
      gauge.set({ queue: "payments" }, paying().pending);
      gauge.set({ queue: "operations" }, operations().running);
      gauge.set({ queue: "transactions" }, overview.pendingTransactions);
      gauge.set({ queue: "records" }, overview.waitingRecords);
    });
    this.#gauge("channels", "Channels by phase", ["phase"], async (gauge) => {
      for (const [phase, count] of Object.entries((await overview.totals()).phases))
        gauge.set({ phase }, count);
    });
    this.#gauge("capacity", "What channels can carry, base units", ["token", "direction"], async (gauge) => {
      gauge.reset();
      for (const [address, totals] of (await overview.totals()).tokens) {
        const token = this.#tokens.of(address);
        gauge.inc({ token, direction: "sent" }, Number(totals.sendCapacity));
        gauge.inc({ token, direction: "received" }, Number(totals.receiveCapacity));
      }
    });
    this.#gauge(
      "waiting_payouts",
      "What the escrow keeps of refused payouts, base units",
      ["token"],
      (gauge) => {
        gauge.reset();
        for (const { token, amount } of node.waitingPayouts())
          gauge.inc({ token: this.#tokens.of(token) }, Number(amount));
      },
    );
    this.#gauge(
      "gas_wallet_wei",
      "What pays for gas, and what disputes may need",
      ["kind"],
      async (gauge) => {
        const { balance, needed } = await this.#gasWallet();
        gauge.set({ kind: "balance" }, balance);
        gauge.set({ kind: "needed" }, needed);
      },
    );
  }

  #gasWallet(): Promise<GasFigures> {
    const now = performance.now();
    if (this.#gas === undefined || now - this.#gas.at >= GAS_AGE_MS) {
      this.#gas = { at: now, told: this.#askGas() };
    }
    return this.#gas.told;
  }

  async #askGas(): Promise<GasFigures> {
    try {
      const signal = AbortSignal.timeout(GAS_PATIENCE_MS);
      const { balance, needed } = await this.#init.node.gasWallet({ signal });
      return { balance: Number(balance), needed: Number(needed) };
    } catch {
      // Unknown is not nothing, and an old number would look like a fresh one.
      return { balance: Number.NaN, needed: Number.NaN };
    }
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name: `rivulet_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, labelNames: string[], buckets: number[]): Histogram {
    return new Histogram({ name: `rivulet_${name}`, help, labelNames, buckets, registers: [this.#registry] });
  }

  #gauge(
    name: string,
    help: string,
    labelNames: string[],
    look: (gauge: Gauge) => void | Promise<void>,
  ): void {
    const gauge: Gauge = new Gauge({
      name: `rivulet_${name}`,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => look(gauge),
    });
  }
}
