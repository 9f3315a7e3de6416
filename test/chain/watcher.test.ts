import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { pollDelay } from "../../src/chain/pace.ts";
import type { ChainNotice } from "../../src/chain/watcher.ts";
import type { Address } from "../../src/protocol/address.ts";
import { ZERO_ADDRESS } from "../../src/protocol/address.ts";
import { type Channel, type ChannelId, participantOf } from "../../src/protocol/channel.ts";
import { NO_PROOF } from "../../src/protocol/proof.ts";
import { startAnvil } from "../contracts/support/testChain.ts";
import { first, on } from "./support/faultProxy.ts";
import {
  openWorld,
  perform,
  signal,
  TestStore,
  until,
  type Watched,
  type World,
  watch,
} from "./support/world.ts";

const DEADLINE = 2n ** 40n;

describe("the watcher", () => {
  let world: World;
  let store: TestStore;
  let fromBlock: number;
  let channel: Channel;
  let id: ChannelId;
  let known: Set<ChannelId>;
  const running: Watched[] = [];

  beforeAll(async () => {
    world = await openWorld(startAnvil);
  }, 30_000);

  afterAll(() => world.stop());

  beforeEach(async () => {
    world.proxy.reset();
    store = new TestStore();
    ({ channel, id } = world.channel());
    known = new Set([id]);
    fromBlock = (await height()) + 1;
    await mine(1);
  });

  afterEach(async () => {
    for (const { watcher } of running.splice(0)) await watcher.stop();
  });

  const height = async () => Number(await world.rpc("eth_blockNumber"));
  const mine = async (blocks: number) => void (await world.rpc("anvil_mine", `0x${blocks.toString(16)}`));
  const reorganise = (depth: number) => world.rpc("anvil_reorg", depth, []);

  const begin = async (confirmations: number, init: Parameters<typeof watch>[2] | object = {}) => {
    const knows = (channelId: ChannelId) => known.has(channelId);
    const watched = await watch(world, store, { confirmations, knows, fromBlock, ...init });
    running.push(watched);
    await watched.watcher.ready(signal);
    return watched;
  };
  /** Waits until the watcher knows the chain's newest block. */
  const settled = async ({ watcher }: Watched) => {
    const head = await world.chain.provider.send("eth_getBlockByNumber", ["latest", false]);
    await until(() => watcher.newestBlock()?.hash === head.hash, "the watcher knows the head");
  };
  const withdraw = async () => {
    const participant = channel.participant0;
    const message = { channelId: id, participant, totalWithdrawn: 3n, deadline: DEADLINE };
    const [one, two] = world.fixture.sides;
    const signatures = [
      Buffer.from((await world.fixture.sign(one.signer, "Withdrawal", message)).slice(2), "hex"),
      Buffer.from((await world.fixture.sign(two.signer, "Withdrawal", message)).slice(2), "hex"),
    ] as const;
    await perform(one.account, world.escrow.withdraw(channel, participant, 3n, DEADLINE, signatures));
  };
  const startClose = () => {
    const none = new Uint8Array(0);
    const evidence = { proof: NO_PROOF, signature: none, endorsement: none, locks: [] };
    const intent = { deadline: DEADLINE, closeSignature: none };
    const call = world.escrow.startClose(channel, channel.participant0, intent, evidence);
    return perform(world.fixture.sides[0].account, call);
  };

  it("delivers what happens at once, and again when it is deep enough", async () => {
    const watched = await begin(3);
    await world.deposit(channel, 0, 10n);
    await settled(watched);
    expect(watched.story()).toEqual(["opened seen", "deposited seen"]);
    const [opened, deposited] = watched.notices;
    expect(opened).toMatchObject({ channelId: id, channel, confirmed: false });
    const participant = participantOf(channel, 0);
    expect(deposited).toMatchObject({
      participant,
      totalDeposit: 10n,
      block: { timestamp: await world.chain.time() },
    });
    await mine(1);
    await settled(watched);
    expect(watched.notices).toHaveLength(2);
    await mine(1);
    await settled(watched);
    expect(watched.story().slice(2)).toEqual(["opened confirmed", "deposited confirmed"]);
    expect(watched.notices[3]).toMatchObject({ id: deposited?.id, confirmed: true });
  });

  it.each([0, 1])(
    "confirms at once with %d confirmations, for chains that mine on demand",
    async (confirmations) => {
      const watched = await begin(confirmations);
      await world.deposit(channel, 1, 5n);
      await settled(watched);
      expect(watched.story()).toEqual([
        "opened seen",
        "opened confirmed",
        "deposited seen",
        "deposited confirmed",
      ]);
      expect(watched.watcher.confirmedTime()).toBe(watched.watcher.newestTime());
    },
  );

  it("keeps only the channels that the node knows", async () => {
    const watched = await begin(1);
    const stranger = world.channel();
    await world.deposit(stranger.channel, 0, 1n);
    await world.deposit(channel, 0, 1n);
    await settled(watched);
    expect(new Set(watched.notices.map((notice) => "channelId" in notice && notice.channelId))).toEqual(
      new Set([id]),
    );
  });

  it.each([
    ["a deposit", "deposited", () => world.deposit(channel, 1, 2n)],
    ["a withdrawal", "withdrawn", withdraw],
    ["a close", "closeStarted", startClose],
  ] as const)(
    "takes back %s that a reorganisation removed, and sees it mined again",
    async (_name, kind, act) => {
      await world.deposit(channel, 0, 10n);
      await mine(5);
      const watched = await begin(3);
      const past = watched.notices.length;
      await act();
      await settled(watched);
      const of = () => watched.notices.slice(past).filter((notice) => notice.kind === kind);
      expect(of().map(({ stage }) => stage)).toEqual(["seen"]);
      await reorganise(1);
      await until(() => of().at(-1)?.stage === "removed", `${kind} is removed`);
      expect(of()[1]).toMatchObject({ id: of()[0]?.id, confirmed: false });
      await act();
      await mine(2);
      await settled(watched);
      expect(of().map(({ stage }) => stage)).toEqual(["seen", "removed", "seen", "confirmed"]);
      expect(of()[2]?.id).not.toBe(of()[0]?.id);
      expect(watched.statuses).toContainEqual(expect.objectContaining({ kind: "reorganisation", depth: 1 }));
    },
  );

  it("keeps what a reorganisation did not touch", async () => {
    const watched = await begin(4);
    await world.deposit(channel, 0, 1n);
    await mine(1);
    await world.deposit(channel, 1, 2n);
    await settled(watched);
    await reorganise(2);
    await until(() => watched.story().includes("deposited removed"), "the second deposit is removed");
    await mine(3);
    await settled(watched);
    expect(watched.story()).toEqual([
      "opened seen",
      "deposited seen",
      "deposited seen",
      "deposited removed",
      "opened confirmed",
      "deposited confirmed",
    ]);
  });

  it("says of a confirmed event that was reorganised all the same that it had been confirmed", async () => {
    const watched = await begin(1);
    await mine(12);
    await world.deposit(channel, 0, 1n);
    await mine(3);
    await settled(watched);
    await reorganise(4);
    await until(
      () => watched.story().filter((line) => line.endsWith("removed")).length === 2,
      "both are removed",
    );
    expect(watched.notices.slice(-2)).toMatchObject([
      { kind: "deposited", stage: "removed", confirmed: true },
      { kind: "opened", stage: "removed", confirmed: true },
    ]);
  });

  it("sees what a reorganisation put into blocks that had long been read", async () => {
    const watched = await begin(1);
    await mine(20);
    await settled(watched);
    const { account } = world.fixture.sides[0];
    const call = world.escrow.deposit(channel, channel.participant0, 4n);
    const transaction = await account.populateTransaction({ ...call, gasLimit: 200_000n });
    await world.rpc("anvil_reorg", 18, [[await account.signTransaction(transaction), 1]]);
    await mine(1);
    await settled(watched);
    expect(watched.story()).toEqual([
      "opened seen",
      "opened confirmed",
      "deposited seen",
      "deposited confirmed",
    ]);
    expect(watched.notices[2]?.block.number).toBeLessThan((await height()) - 12);
  });

  it("notices after a restart what a reorganisation took while it was down", async () => {
    const before = await begin(3);
    await world.deposit(channel, 0, 1n);
    await settled(before);
    await before.watcher.stop();
    await reorganise(1);
    await mine(4);
    const after = await begin(3);
    await settled(after);
    expect(after.story()).toEqual(["deposited removed", "opened removed"]);
  });

  it("stops at a reorganisation deeper than its bound, and goes on when the old chain is back", async () => {
    await mine(8);
    const watched = await begin(1, { reorgBound: 4 });
    for (let i = 0; i < 6; i++) {
      await mine(1);
      await settled(watched);
    }
    const head = watched.watcher.newestBlock();
    world.proxy.rules = [
      on("eth_getBlockByNumber", () => ({
        kind: "edit",
        edit: (block: object) => ({
          ...block,
          hash: `0x${"ee".repeat(32)}`,
          parentHash: `0x${"dd".repeat(32)}`,
        }),
      })),
    ];
    await until(() => watched.watcher.outage() !== undefined, "an outage is reported");
    expect(watched.watcher.outage()).toMatchObject({ code: "rpc_lying_head", reason: "deep_reorganisation" });
    expect(watched.watcher.newestBlock()).toEqual(head);
    world.proxy.rules = [];
    await until(() => watched.watcher.outage() === undefined, "the watcher has recovered");
  });

  describe("restarting", () => {
    it("delivers nothing twice that was handled, across two restarts", async () => {
      const one = await begin(3);
      await world.deposit(channel, 0, 1n);
      await settled(one);
      await one.watcher.stop();
      const two = await begin(3);
      await settled(two);
      await two.watcher.stop();
      expect(two.notices).toEqual([]);
      await mine(2);
      const three = await begin(3);
      await settled(three);
      expect(three.story()).toEqual(["opened confirmed", "deposited confirmed"]);
    });

    it("delivers again, in order, what the handler did not finish", async () => {
      const taken: string[] = [];
      let failures = 2;
      const handler = async (notice: ChainNotice) => {
        if (notice.kind === "deposited" && failures-- > 0) throw new Error("disk full");
        taken.push(`${notice.kind} ${notice.stage}`);
      };
      const watched = await begin(1, { handler });
      await world.deposit(channel, 0, 1n);
      await until(() => taken.length === 4, "all is delivered");
      expect(taken).toEqual(["opened seen", "opened confirmed", "deposited seen", "deposited confirmed"]);
      expect(watched.statuses).toContainEqual(expect.objectContaining({ kind: "stalled" }));
    });

    it("delivers again after a crash between the handler and the journal", async () => {
      const one = await begin(1);
      store.before = () => {
        throw new Error("power cut");
      };
      await world.deposit(channel, 0, 1n);
      await until(() => one.notices.length >= 4, "all was handled once");
      await one.watcher.stop();
      store.before = () => {};
      const two = await begin(1);
      await settled(two);
      expect(two.story()).toEqual([
        "opened seen",
        "opened confirmed",
        "deposited seen",
        "deposited confirmed",
      ]);
      expect(two.notices.map((notice) => notice.id)).toEqual(
        one.notices.slice(0, 4).map((notice) => notice.id),
      );
    });

    it("catches up over many blocks without asking for their headers", async () => {
      const one = await begin(3);
      await settled(one);
      await one.watcher.stop();
      await mine(150);
      await world.deposit(channel, 0, 1n);
      await mine(150);
      world.proxy.reset();
      const two = await begin(3);
      await settled(two);
      expect(two.story()).toEqual([
        "opened seen",
        "opened confirmed",
        "deposited seen",
        "deposited confirmed",
      ]);
      // The head, our old newest, the event's block, the newest confirmed; and one head per further poll.
      expect(world.proxy.count("eth_getBlockByNumber")).toBeLessThanOrEqual(4 + 2);
      expect(world.proxy.count("eth_getLogs")).toBe(1);
    });

    it("refuses a damaged journal", async () => {
      const one = await begin(1);
      await one.watcher.stop();
      const [key, value] = [...store.values][0]!;
      value[value.length - 5]! ^= 1;
      store.values.set(key, value);
      const again = watch(world, store, { confirmations: 1 });
      await expect(again).rejects.toMatchObject({ code: "journal_damaged" });
    });
  });

  describe("asks for little", () => {
    it("one head per poll while idle, one getLogs more when the head moved by one", async () => {
      const watched = await begin(3, { minPollMs: 30, maxPollMs: 30 });
      await settled(watched);
      world.proxy.reset();
      await until(() => world.proxy.requests.length === 10, "ten idle polls");
      expect(world.proxy.count("eth_getBlockByNumber")).toBe(10);
      world.proxy.reset();
      await mine(1);
      await settled(watched);
      const methods = world.proxy.requests
        .map(({ method }) => method)
        .filter((m) => m !== "eth_getBlockByNumber");
      expect(methods).toEqual(["eth_getLogs"]);
    });

    it("at the chain's own pace: ten calls a minute with twelve-second blocks", () => {
      const header = (number: number) => ({ number, timestamp: 1_000 + 12 * number }) as never;
      const pace = { minPollMs: 1_000, maxPollMs: 15_000 };
      const delay = pollDelay([header(1), header(2), header(7)], pace, 0);
      expect(delay).toBe(12_000);
      expect((60_000 / delay) * 2).toBe(10);
      expect(pollDelay([], pace, 0)).toBe(1_000);
      expect(pollDelay([header(1), header(1_000)], { ...pace, maxPollMs: 5_000 }, 0)).toBe(5_000);
    });
  });

  describe("when the server fails", () => {
    it("reports an outage, recovers and has lost nothing", async () => {
      const watched = await begin(1);
      world.proxy.rules = [() => ({ kind: "cut" })];
      await until(() => watched.watcher.outage()?.code === "rpc_down", "the outage is known");
      await world.deposit(channel, 0, 1n);
      await mine(20);
      await world.deposit(channel, 1, 1n);
      expect(watched.notices).toEqual([]);
      world.proxy.rules = [];
      await settled(watched);
      expect(watched.story().filter((line) => line === "deposited confirmed")).toHaveLength(2);
      await until(
        () => watched.statuses.some(({ kind }) => kind === "recovered"),
        "the recovery is reported",
      );
      expect(watched.statuses.filter(({ kind }) => kind === "outage")).toHaveLength(1);
    });

    it("outlives a rate limit", async () => {
      const watched = await begin(1);
      world.proxy.rules = [first(6, () => ({ kind: "status", status: 429 }))];
      await world.deposit(channel, 0, 1n);
      await settled(watched);
      expect(watched.notices).toHaveLength(4);
    });

    it.each([
      ["went_back", (block: object) => ({ ...block, number: "0x0" }), { reorgBound: 1 }],
      ["future", (block: object) => ({ ...block, timestamp: "0xffffffffff" }), { maxFutureSeconds: 900 }],
      ["jumped", (block: object) => ({ ...block, number: "0xffffffffff" }), {}],
      [
        "time_went_back",
        (block: { number: string }) => ({ ...block, timestamp: "0x1" }),
        { maxFutureSeconds: 900 },
      ],
    ])(
      "names a head that %s a lie, keeps what it knows and goes on with the next honest one",
      async (reason, lie, init) => {
        const watched = await begin(1, { now: () => 4_000_000_000, ...init });
        await settled(watched);
        const before = watched.watcher.newestBlock();
        const hash = `0x${"cd".repeat(32)}`;
        world.proxy.rules = [
          on("eth_getBlockByNumber", ([at]) => {
            if (at !== "latest") return undefined;
            const edit = (block: { number: string }) => {
              const number = `0x${(Number(block.number) + 1).toString(16)}`;
              return lie({ ...block, number, parentHash: before?.hash, hash } as never);
            };
            return { kind: "edit", edit };
          }),
        ];
        await until(() => watched.watcher.outage() !== undefined, "the lie is noticed");
        expect(watched.watcher.outage()).toMatchObject({ code: "rpc_lying_head", reason });
        expect(watched.watcher.newestBlock()).toEqual(before);
        world.proxy.rules = [];
        await world.deposit(channel, 0, 1n);
        await settled(watched);
        expect(watched.story()).toContain("deposited confirmed");
      },
    );

    it("takes a server that lags for what it is", async () => {
      const watched = await begin(3);
      await world.deposit(channel, 0, 1n);
      await settled(watched);
      const newest = watched.watcher.newestBlock();
      const old = await world.rpc(
        "eth_getBlockByNumber",
        `0x${((newest?.number ?? 0) - 1).toString(16)}`,
        false,
      );
      world.proxy.requests = [];
      world.proxy.rules = [
        on("eth_getBlockByNumber", ([at]) => (at === "latest" ? { kind: "answer", result: old } : undefined)),
      ];
      await until(() => world.proxy.count("eth_getBlockByNumber") > 4, "some polls");
      expect(watched.watcher.newestBlock()).toEqual(newest);
      expect(watched.story()).toEqual(["opened seen", "deposited seen"]);
      expect(watched.watcher.outage()).toBeUndefined();
    });

    it("finds with the next block an event that a lagging server left out", async () => {
      const watched = await begin(1);
      world.proxy.rules = [
        first(
          1,
          on("eth_getLogs", () => ({ kind: "answer", result: [] })),
        ),
      ];
      await world.deposit(channel, 0, 1n);
      await settled(watched);
      expect(watched.notices).toEqual([]);
      await mine(1);
      await settled(watched);
      expect(watched.story()).toEqual([
        "opened seen",
        "opened confirmed",
        "deposited seen",
        "deposited confirmed",
      ]);
    });

    it("neither takes back nor confirms an event that an answer leaves out of a block that stands", async () => {
      const watched = await begin(2);
      await world.deposit(channel, 0, 1n);
      await settled(watched);
      world.proxy.rules = [on("eth_getLogs", () => ({ kind: "answer", result: [] }))];
      await mine(1);
      await until(
        () => watched.watcher.outage()?.code === "rpc_inconsistent",
        "the contradiction is reported",
      );
      expect(watched.story()).toEqual(["opened seen", "deposited seen"]);
      world.proxy.rules = [];
      await settled(watched);
      expect(watched.story().slice(2)).toEqual(["opened confirmed", "deposited confirmed"]);
    });

    it("goes on without a block that the server has lost for good", async () => {
      const watched = await begin(2);
      await world.deposit(channel, 0, 1n);
      await settled(watched);
      const lost = watched.watcher.newestBlock()?.number ?? 0;
      const isLost = (at: unknown) => at === `0x${lost.toString(16)}`;
      world.proxy.rules = [
        on("eth_getBlockByNumber", ([at]) => (isLost(at) ? { kind: "answer", result: null } : undefined)),
      ];
      await mine(3);
      await until(
        () => watched.watcher.outage()?.code === "rpc_inconsistent",
        "the contradiction is reported",
      );
      expect(watched.story()).toEqual(["opened seen", "deposited seen"]);
      await until(() => watched.story().includes("deposited removed"), "the block counts as replaced");
      world.proxy.rules = [];
      await mine(1);
      await settled(watched);
      expect(watched.story().slice(-4)).toEqual([
        "opened seen",
        "opened confirmed",
        "deposited seen",
        "deposited confirmed",
      ]);
    });

    it("does not believe an event of a block that is not the chain's", async () => {
      const watched = await begin(1);
      const forged = (logs: object[]) => logs.map((log) => ({ ...log, blockHash: `0x${"ab".repeat(32)}` }));
      world.proxy.rules = [on("eth_getLogs", () => ({ kind: "edit", edit: forged }))];
      await world.deposit(channel, 0, 1n);
      await until(() => watched.watcher.outage()?.code === "rpc_inconsistent", "the forgery is reported");
      expect(watched.notices).toEqual([]);
    });

    it("does not start on another chain, nor without the contract", async () => {
      const elsewhere = await watch(world, store, { confirmations: 1, chainId: 1n });
      running.push(elsewhere);
      await expect(elsewhere.watcher.ready(signal)).rejects.toMatchObject({ code: "wrong_chain" });
      const escrow = `0x${"77".repeat(20)}` as Address;
      const nowhere = await watch(world, new TestStore(), { confirmations: 1, escrow });
      running.push(nowhere);
      await expect(nowhere.watcher.ready(signal)).rejects.toMatchObject({ code: "contract_missing" });
    });

    it("checks who answers after an outage: another chain behind the same address gets nowhere", async () => {
      const watched = await begin(1);
      world.proxy.rules = [() => ({ kind: "cut" })];
      await until(() => watched.watcher.outage() !== undefined, "the outage is known");
      world.proxy.rules = [on("eth_chainId", () => ({ kind: "answer", result: "0x1" }))];
      await until(() => watched.watcher.outage()?.code === "wrong_chain", "the other chain is noticed");
      world.proxy.rules = [];
      await until(() => watched.watcher.outage() === undefined, "the right one is back");
    });

    it("can be stopped while the server is silent", async () => {
      world.proxy.rules = [() => ({ kind: "delay", ms: 1_500 })];
      const watched = await watch(world, store, { confirmations: 1 });
      const before = Date.now();
      await watched.watcher.stop();
      expect(Date.now() - before).toBeLessThan(1_000);
    });
  });

  it("reads time and state at the newest and at the newest confirmed block", async () => {
    const watched = await begin(4, { now: () => 5_000_000_000 });
    await world.deposit(channel, 0, 7n);
    await mine(1);
    await settled(watched);
    const { watcher } = watched;
    const newest = await watcher.readChannel(id, "newest", signal);
    const confirmed = await watcher.readChannel(id, "confirmed", signal);
    expect(newest.state).toMatchObject({ status: "open", deposit0: 7n });
    expect(confirmed.state).toMatchObject({ status: "none", deposit0: 0n });
    expect(confirmed.block.number).toBe(newest.block.number - 3);
    expect(watcher.newestTime()).toBe(await world.chain.time());
    expect(watcher.newestBlockAge()).toBe(5_000_000_000 - (await world.chain.time()));
    expect(watcher.confirmedTime()).toBe(confirmed.block.timestamp);
    expect(channel.token).toBe(ZERO_ADDRESS);
  });
});
