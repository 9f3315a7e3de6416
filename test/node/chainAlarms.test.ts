import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { DEFAULT_FEE_POLICY } from "../../src/chain/fees.ts";
import type { WatcherStatus } from "../../src/chain/watcher.ts";
import { ChainAlarms } from "../../src/node/chainAlarms.ts";
import type { Channels } from "../../src/node/channels.ts";
import { CLOCK_TOLERANCE_SECONDS, ClockCheck } from "../../src/node/clock.ts";
import type { NodeContext } from "../../src/node/context.ts";
import { GasWallet } from "../../src/node/gasWallet.ts";

const START = 1_800_000_000;
const log = pino({ level: "silent" });

describe("the clock's check", () => {
  let now: number;
  let steady: number;

  /** A chain whose blocks come every `every` seconds, seen by a clock that is `ahead` seconds wrong. */
  function chain(ahead: number, blocks: number, { every = 12, gap = 12 } = {}): ClockCheck {
    steady = 0;
    now = START + ahead;
    const clock = new ClockCheck({ now: () => now, steady: () => steady });
    for (let i = 0; i < blocks; i++) {
      clock.observe(head(START + i * gap));
      steady += every;
      now += every;
    }
    return clock;
  }

  const head = (timestamp: number) => ({ kind: "head", head: { timestamp } }) as WatcherStatus;
  const future = (known: number, told: number) =>
    ({ kind: "outage", failure: { code: "rpc_lying_head", reason: "future", known, told } }) as const;

  it("finds nothing wrong with a clock that is a little off", () => {
    expect(chain(0, 5).skew).toBeUndefined();
    expect(chain(CLOCK_TOLERANCE_SECONDS - 20, 5).skew).toBeUndefined();
    expect(chain(20 - CLOCK_TOLERANCE_SECONDS, 5).skew).toBeUndefined();
  });

  it("finds a clock an hour ahead once the chain has shown that it is alive", () => {
    expect(chain(3_600, 2).skew).toBeUndefined();
    expect(chain(3_600, 3).skew).toBe(3_612);
    expect(chain(3_600, 3).isFarBehind).toBe(false);
  });

  it("finds a clock an hour behind at once, also by heads the watcher refused", () => {
    const clock = chain(-3_600, 1);
    expect(clock.skew).toBe(-3_588);
    expect(clock.isFarBehind).toBe(true);
    const refused = new ClockCheck({ now: () => now, steady: () => steady });
    refused.observe(future(START, START + 3_600));
    expect(refused.skew).toBe(-3_600);
    refused.observe({ kind: "recovered", downMs: 1 });
    expect(refused.skew).toBeUndefined();
  });

  it("does not blame the clock for a chain that stands still, or a server that catches up", () => {
    const still = chain(0, 5);
    now += 3_600;
    steady += 3_600;
    expect(still.skew).toBeUndefined();
    expect(still.silence).toBe(3_612);
    expect(chain(3_600, 10, { every: 1, gap: 120 }).skew).toBeUndefined();
  });

  it("hears silence however the clock is set meanwhile", () => {
    const clock = chain(0, 5);
    now -= 3_600;
    steady += 700;
    expect(clock.silence).toBe(712);
    expect(clock.isFarBehind).toBe(true);
  });

  it("tells once when it turns wrong and once when it is right again, naming the skew", () => {
    const clock = chain(0, 5);
    const said: string[] = [];
    const alarms = new ChainAlarms({
      context: { log, emit: (_name, ...args) => void said.push(Object.values(args[0]!).join(": ")) },
      clock,
      gasWallet: { look: async () => {} },
      checksClock: true,
      servers: 1,
    });
    alarms.onStatus(future(START, START + 3_600));
    alarms.onStatus(future(START, START + 3_600));
    alarms.onStatus({ kind: "recovered", downMs: 1 });
    expect(said).toEqual([
      expect.stringMatching(/^clock_skew: this machine's clock is 3600 s behind the chain's newest block/),
      expect.stringMatching(/^clock_ok: /),
    ]);
  });
});

describe("news of servers", () => {
  const failure = { code: "rpc_down", method: "eth_call", reason: "HTTP 502" } as const;

  function told(servers: number): string[] {
    const said: string[] = [];
    const alarms = new ChainAlarms({
      context: { log, emit: (_name, ...args) => void said.push(Object.values(args[0]!).join(": ")) },
      clock: new ClockCheck({ now: () => START, steady: () => 0 }),
      gasWallet: { look: async () => {} },
      checksClock: true,
      servers,
    });
    alarms.onEndpoint({ kind: "aside", endpoint: "a.test", failure });
    alarms.onEndpoint({ kind: "back", endpoint: "a.test" });
    const wrong = { code: "wrong_chain", expected: 1n, actual: 10n } as const;
    alarms.onEndpoint({ kind: "aside", endpoint: "b.test", failure: wrong });
    return said;
  }

  it("that fail or are of another chain become warnings; with one server the watcher says it", () => {
    const wrong = "wrong_chain: the server b.test is on chain 10, not 1: it is not used";
    expect(told(2)).toEqual([
      expect.stringMatching(/^rpc_down: the server a.test is not asked for a while/),
      wrong,
    ]);
    expect(told(1)).toEqual([wrong]);
  });
});

describe("the gas wallet's alarm", () => {
  /** A wallet with `balance` wei at one gwei, whose looks are counted. */
  function wallet() {
    const state = { balance: 10n ** 18n, now: 0, looks: 0, fails: false, said: [] as string[] };
    const context = {
      account: `0x${"11".repeat(20)}`,
      chain: {
        fees: DEFAULT_FEE_POLICY,
        market: async () => {
          state.looks++;
          if (state.fails) throw new Error("no answer");
          return { baseFee: 10n ** 9n, priority: 10n ** 9n };
        },
        eth: { balance: async () => state.balance },
      },
      emit: (_name: string, { code }: { code: string }) => void state.said.push(code),
      log,
      stopping: new AbortController().signal,
    } as unknown as NodeContext;
    const channels = { attention: new Set(), peek: () => undefined } as unknown as Channels;
    const gasWallet = new GasWallet(context, channels, () => state.now);
    const look = async (seconds: number) => {
      state.now += seconds * 1_000;
      await gasWallet.look();
    };
    return { state, look };
  }

  it("sounds once when it turns too low, and once when it is enough again", async () => {
    const { state, look } = wallet();
    await look(0);
    state.balance = 1n;
    await look(60);
    await look(60);
    state.balance = 10n ** 18n;
    await look(60);
    await look(60);
    expect(state.said).toEqual(["gas_wallet_low", "gas_wallet_ok"]);
  });

  it("looks once a minute at most, and again after a failure", async () => {
    const { state, look } = wallet();
    for (let i = 0; i < 120; i++) await look(1);
    expect(state.looks).toBe(2);
    state.fails = true;
    state.balance = 1n;
    await look(60);
    expect(state.said).toEqual([]);
    state.fails = false;
    await look(60);
    expect(state.said).toEqual(["gas_wallet_low"]);
  });
});
