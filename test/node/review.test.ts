import { describe, expect, it } from "vitest";
import { Backlog } from "../../src/node/backlog.ts";
import { ChainSide } from "../../src/node/channel/chainSide.ts";
import { Establisher } from "../../src/node/channel/establisher.ts";
import { ChannelMailbox } from "../../src/node/channel/mailbox.ts";
import { Payee } from "../../src/node/channel/payee.ts";
import { Payer } from "../../src/node/channel/payer.ts";
import { indexOps } from "../../src/node/channel/paymentIds.ts";
import { Channels } from "../../src/node/channels.ts";
import type { NodeContext } from "../../src/node/context.ts";
import { NodeError } from "../../src/node/error.ts";
import { Opener } from "../../src/node/opener.ts";
import { PaidOnce } from "../../src/node/paidOnce.ts";
import { Pending } from "../../src/node/pending.ts";
import { Upkeep } from "../../src/node/upkeep.ts";
import type { PeerSession } from "../../src/p2p/session.ts";
import {
  type ChannelId,
  type ChannelState,
  MAX_ENTRIES_BYTES,
  MAX_UNACKNOWLEDGED,
  NO_PROOF,
  observeChain,
  packTransfers,
  participantOf,
  receiveUpdates,
  reestablish,
  signerOf,
  signWithdrawal,
  startClosing,
  TRANSFER_BYTES,
  type Update,
} from "../../src/protocol/index.ts";
import { encodeUpdate } from "../../src/store/channelRecord.ts";
import { GroupCommit } from "../../src/store/groupCommit.ts";
import { updateKey } from "../../src/store/keys.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";
import { NO_LOCKS } from "../../src/wire/message.ts";
import {
  CHANNEL,
  CHANNEL_ID,
  digests,
  ESCROW,
  KEYS,
  NOW,
  nextPaymentId,
  openPair,
  paid,
  portsOf,
  reading,
  sent,
  unwrap,
} from "../protocol/support/channel.ts";

/** Long enough for everything that does not wait for a clock. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

/** A mailbox that keeps what it is given, and a context of whatever the test needs. */
function fakeMailbox(state: ChannelState, context: Partial<NodeContext>) {
  const published: string[] = [];
  const failures: unknown[] = [];
  const mailbox = {
    state,
    channelId: state.id,
    context: { stopping: new AbortController().signal, emit() {}, ...context },
    payer: { failQueuedAsClosed() {} },
    closer: { publishAgreed() {}, endHalt() {} },
    withdrawer: { publishAgreed() {} },
    commit: async (next: ChannelState) => {
      mailbox.state = next;
    },
    advanceClose() {},
    refuse() {},
    fail: (error: unknown) => failures.push(error),
  };
  return { mailbox, published, failures, as: mailbox as unknown as ChannelMailbox };
}

/** What a mailbox writes its changes down in besides the channel's record. */
const journals = { history: { record() {} }, bookJournal: { ops: () => [] } };

function fakeSession(change: Partial<PeerSession> = {}): PeerSession {
  const closed = new AbortController().signal;
  const session = { closed, send: () => true, pause() {}, resume() {}, close: async () => {}, ...change };
  return session as unknown as PeerSession;
}

describe("what has lapsed", () => {
  it("is judged by the time of the block that was read, not of one that came meanwhile", async () => {
    const [a, b] = openPair();
    const deadline = NOW + 100n;
    const digest = digests.withdrawal(a.idBytes, {
      participant: participantOf(CHANNEL, 1),
      totalWithdrawn: 900n,
      deadline,
    });
    const signature = portsOf(1).crypto.ecdsa.sign(digest, KEYS[1]);
    const { state } = unwrap(signWithdrawal(a, { total: 900n, deadline, signature }, NOW, portsOf(0)));
    const before = { confirmed: reading(), newest: reading(), confirmedTime: NOW, newestTime: NOW };
    const chain = {
      read: async () => before,
      confirmedNumber: () => 1,
      confirmedTime: () => deadline + 1n,
      bindingTime: () => NOW,
    };
    const { mailbox, as } = fakeMailbox(state, { chain: chain as never });
    await new ChainSide(as).refresh();
    // The withdrawal may be in the block between the one read and the one whose time is known.
    expect(mailbox.state.terms.withdrawals).toHaveLength(1);
    expect(mailbox.state.terms.announced.withdrawn).toEqual([0n, 900n]);
    expect(b.terms.withdrawals).toHaveLength(0);
  });
});

describe("a dispute", () => {
  it("is answered although our clock says it is too late, since only blocks have a say", async () => {
    const [a, b] = paid(openPair(), 0, 10n);
    const newest = reading({ status: "closing", deadline: NOW + 600n });
    const state = startClosing(observeChain(b, reading(), newest));
    expect(a.sent.nonce).toBe(1n);
    const submitted: string[] = [];
    const chain = {
      read: async () => ({ confirmed: reading(), newest, confirmedTime: NOW, newestTime: NOW }),
      confirmedTime: () => NOW,
      confirmedNumber: () => 1,
      bindingTime: () => NOW + 86_400n,
      submit: async ({ id }: { id: string }) => {
        submitted.push(id.slice(CHANNEL_ID.length + 1));
        return { ok: false, code: "tx_would_revert" };
      },
    };
    const escrow = { challenge: () => ({}), settle: () => ({}) };
    const log = { info() {}, warn() {} };
    const committer = { flush: async () => {} };
    const { as } = fakeMailbox(state, {
      chain: chain as never,
      escrow: escrow as never,
      log: log as never,
      committer: committer as never,
    });
    await new ChainSide(as).refresh();
    await settle();
    expect(submitted).toContain("challenge/1");
    expect(submitted).toContain("settle");
  });
});

describe("a channel whose settlement is confirmed", () => {
  it("is looked after no more", async () => {
    const [a] = openPair();
    const attended: boolean[] = [];
    const context = {
      attend: (_id: string, wanted: boolean) => attended.push(wanted),
      store: new MemoryStore(),
      chain: { read: () => Promise.reject(new Error("asked")), confirmedNumber: () => 1 },
    };
    const { mailbox, as } = fakeMailbox(startClosing(a), context as never);
    Object.assign(mailbox.payer, { settleFinally() {} });
    const side = new ChainSide(as);
    const settled = {
      kind: "settled",
      stage: "confirmed",
      share0: 1000n,
      share1: 1000n,
      block: { number: 5 },
    };
    await side.notice(settled as never);
    expect(mailbox.state.terms.phase).toBe("settled");
    expect([attended.at(-1), side.awaitsBlock, side.isBusy]).toEqual([false, false, false]);
  });
});

describe("refreshing", () => {
  it("reads the chain once more for whoever asks as the last reading ends", async () => {
    const [a] = openPair();
    let readings = 0;
    const read = async () => {
      readings++;
      return { confirmed: reading(), newest: reading(), confirmedTime: NOW, newestTime: NOW };
    };
    const { as } = fakeMailbox(a, {
      chain: { read, confirmedNumber: () => 1, bindingTime: () => NOW } as never,
    });
    const side = new ChainSide(as);
    // Asks again in every one of the turns around the end of the first reading.
    for (let turns = 0; turns < 24; turns++) {
      await settle();
      readings = 0;
      void side.refresh();
      for (let i = 0; i < turns; i++) await undefined;
      const seen = readings;
      await side.refresh();
      expect(readings, `after ${turns} turns`).toBeGreaterThan(seen);
    }
  });
});

describe("a peer that proposes the same channel on two sessions", () => {
  it("gets one channel, and stops nobody", async () => {
    const gates: (() => void)[] = [];
    const chain = {
      pending: () => [],
      read: () =>
        new Promise((resolve) => {
          gates.push(() => resolve({ newest: reading({ status: "none" }) }));
        }),
    };
    const context = {
      ...journals,
      ports: portsOf(0),
      chainId: 31337n,
      escrow: { address: ESCROW },
      account: participantOf(CHANNEL, 0),
      signer: signerOf(CHANNEL, 0),
      stopping: new AbortController().signal,
      committer: { commit: async () => {}, flush: async () => {} },
      attend() {},
      emit() {},
      chain,
    } as unknown as NodeContext;
    const channels = new Channels(context);
    const opener = new Opener(context, channels, { challengePeriod: { least: 60, most: 86_400 } });
    const remote = { signer: signerOf(CHANNEL, 1), participant: participantOf(CHANNEL, 1) };
    const message = {
      kind: "openChannel" as const,
      channel: CHANNEL,
      deposit: 5n,
      requestedDeposit: 0n,
      lockLimits: NO_LOCKS,
    };
    const sessions = [fakeSession({ remote } as never), fakeSession({ remote } as never)];
    const answers = sessions.map((session) => opener.receiveOpen(message, session));
    for (const open of gates) open();
    await Promise.all(answers);
    expect(channels.size).toBe(1);

    // And one that has left meanwhile leaves no record behind.
    const gone = fakeSession({ remote, closed: AbortSignal.abort() } as never);
    const other = { ...message, channel: { ...CHANNEL, salt: 8n } };
    const leaving = opener.receiveOpen(other, gone);
    gates.at(-1)!();
    await leaving;
    expect(channels.size).toBe(1);
  });
});

/** `count` updates as large as they may be, the first with the next nonce. */
function largeUpdates(payer: ChannelState, count: number): Update[] {
  const updates: Update[] = [];
  let state = payer;
  for (let i = 0; i < count; i++) {
    const transfers = Array.from({ length: Math.floor(MAX_ENTRIES_BYTES / TRANSFER_BYTES) }, () => ({
      paymentId: nextPaymentId(),
      amount: 1n,
      applicationId: false,
      refund: false,
    }));
    const { proof } = sent(state, 1n).update;
    updates.push({
      proof: { ...proof, nonce: BigInt(i + 1) },
      entries: packTransfers(transfers),
      creditedSequence: 0n,
    });
    state = { ...state };
  }
  return updates;
}

describe("a flood of updates", () => {
  it("that together exceed what the disk takes waits for it, instead of stopping the node", async () => {
    const store = new MemoryStore();
    const write = store.write.bind(store);
    store.write = async (ops, options) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      await write(ops, options);
    };
    const head = { sequence: 0, syncedThrough: 0, channels: 0, channelSequences: 0 };
    const committer = new GroupCommit({ store, head, recordMark() {}, roomBytes: 100_000 });
    const pair = openPair();
    const { update } = sent(pair[0], 1n);
    const filler = new Uint8Array(60_000);
    const acknowledged: bigint[] = [];
    const session = fakeSession({
      send: (message) => {
        if (message.kind === "ack") acknowledged.push(message.nonce);
        return true;
      },
    });
    const chain = { isFresh: true, confirmedTime: () => NOW };
    const payees = Array.from({ length: 40 }, (_, i) => {
      const context = {
        committer,
        chain,
        ports: portsOf(1),
        requests: { isEmpty: true },
        backlog: new Backlog(),
        listens: () => false,
      };
      const fake = fakeMailbox(pair[1], context as never);
      fake.mailbox.commit = async (next) => {
        fake.mailbox.state = next;
        const key = new Uint8Array([0x7f, i]);
        await committer.commit([{ type: "put", key, value: filler }], { sync: true });
      };
      return { fake, payee: new Payee(fake.as) };
    });
    for (const { payee } of payees) payee.take(update, session);
    await expect
      .poll(() => acknowledged.length + payees.flatMap(({ fake }) => fake.failures).length)
      .toBe(40);
    expect(payees.flatMap(({ fake }) => fake.failures)).toEqual([]);
    expect(acknowledged).toHaveLength(40);
    await committer.close();
  });

  it("beyond a gap counts against its sender for as long as it is in memory", async () => {
    const pair = openPair();
    const updates = largeUpdates(pair[0], 40).slice(1);
    expect(receiveUpdates(pair[1], updates.slice(0, 1), portsOf(1)).refusal?.code).toBe("nonce_gap");
    let paused = 0;
    const session = fakeSession({ pause: () => void paused++ });
    const context = {
      committer: { hasRoom: true },
      chain: { isFresh: true },
      ports: portsOf(1),
      requests: { isEmpty: true },
      backlog: new Backlog(),
    };
    const payee = new Payee(fakeMailbox(pair[1], context as never).as);
    for (const update of updates) {
      payee.take(update, session);
      await settle();
    }
    expect(paused).toBe(1);
    payee.forget(session);
  });
});

describe("while the chain is silent", () => {
  it("a payee acknowledges nothing, as the channel may be closing, and all of it afterwards", async () => {
    const pair = openPair();
    const { update } = sent(pair[0], 1n);
    const acknowledged: bigint[] = [];
    const session = fakeSession({
      send: (message) => {
        if (message.kind === "ack") acknowledged.push(message.nonce);
        return true;
      },
    });
    const chain = { isFresh: false, confirmedTime: () => NOW };
    const context = {
      committer: { hasRoom: true },
      chain,
      ports: portsOf(1),
      requests: { isEmpty: true },
      backlog: new Backlog(),
      listens: () => false,
    };
    const payee = new Payee(fakeMailbox(pair[1], context as never).as);
    payee.take(update, session);
    await settle();
    expect(acknowledged).toEqual([]);
    chain.isFresh = true;
    await expect.poll(() => acknowledged).toEqual([1n]);
  });
});

describe("a payment that waits while the chain falls silent", () => {
  it("is not signed any more", async () => {
    const [open] = openPair();
    const chain = {
      isFresh: true,
      assertFresh: () => {
        if (!chain.isFresh) throw new NodeError({ code: "chain_stale", fields: { age: 9n, limit: 1n } });
      },
    };
    const context = { signEach: false, committer: { hasRoom: true }, chain, ports: portsOf(0) };
    const { mailbox, as } = fakeMailbox(open, context as never);
    const payer = new Payer(as);
    const paying = payer.pay({ amount: 1n });
    await settle();
    chain.isFresh = false;
    Object.assign(mailbox, { session: fakeSession() });
    payer.kick();
    await expect(paying).rejects.toMatchObject({ code: "chain_stale" });
    expect(mailbox.state.sent.nonce).toBe(0n);
  });
});

describe("payments with ids that fail together", () => {
  it("reject once, and leave no rejection to nobody", async () => {
    const [payer] = openPair();
    const [known, fresh] = [nextPaymentId(), nextPaymentId()];
    const ops: { key: Uint8Array; value: Uint8Array }[] = [];
    const entries = packTransfers([{ paymentId: known, amount: 5n, applicationId: true, refund: false }]);
    indexOps(payer.idBytes, { ...sent(payer, 5n).update, entries }, ops as never);
    const store = new MemoryStore();
    await store.write(
      ops.map(({ key, value }) => ({ type: "put", key, value })),
      { sync: true },
    );
    const stopped = () => Promise.reject(new NodeError({ code: "node_stopped", fields: {} }));
    const mailbox = { state: payer, channelId: payer.id, payer: { payMany: stopped, acknowledged: stopped } };
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const paying = new PaidOnce(store).payMany(mailbox as never, [
      { amount: 5n, id: known },
      { amount: 6n, id: fresh },
    ]);
    await expect(paying).rejects.toMatchObject({ code: "node_stopped" });
    await settle();
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});

describe("two sides that both have much to resend", () => {
  it("go on reading each other while they write, and establish the channel at the end", async () => {
    const [a] = openPair();
    const first = sent(a, 1n);
    const second = sent(first.state, 2n);
    const store = new MemoryStore();
    for (const { update } of [first, second]) {
      const key = updateKey(a.idBytes, a.side, update.proof.nonce);
      await store.write([{ type: "put", key, value: encodeUpdate(update, Date.now()) }], { sync: true });
    }
    const said: string[] = [];
    let room = Promise.withResolvers<void>();
    const session = fakeSession({
      send: ({ kind }) => {
        said.push(kind);
        return kind !== "update";
      },
      drained: () => room.promise,
    });
    const established: string[] = [];
    const context = {
      store,
      ports: portsOf(0),
      committer: { commit: async () => {}, flush: async () => {} },
      established: (id: string) => established.push(id),
    };
    const { mailbox, as } = fakeMailbox(second.state, context as never);
    Object.assign(mailbox.payer, { settleTo() {}, kick() {} });
    Object.assign(mailbox, { tellCredits() {} });
    Object.assign(mailbox.closer, { resume() {} });
    Object.assign(mailbox.withdrawer, { resume() {} });
    const establisher = new Establisher(as);
    const nothing = { sentNonce: 0n, received: NO_PROOF, credited: second.state.terms.credited };
    // The peer takes nothing for now, since it is as busy with us: its other messages are read all the same.
    await establisher.receive(nothing, session);
    await settle();
    expect(said).toEqual(["reestablish", "update"]);
    expect(established).toEqual([]);
    room.resolve();
    room = Promise.withResolvers();
    room.resolve();
    await expect.poll(() => established).toEqual([CHANNEL_ID]);
    expect(said).toEqual(["reestablish", "update", "update"]);
  });
});

describe("a payee that says where it stands while the channel closes", () => {
  it("returns what we lost, and is asked again what of it counts before anything else", async () => {
    const [a, b] = openPair();
    const first = sent(a, 1n);
    const second = sent(first.state, 2n);
    const store = new MemoryStore();
    const put = async (update: Update) => {
      const key = updateKey(a.idBytes, a.side, update.proof.nonce);
      await store.write([{ type: "put", key, value: encodeUpdate(update, Date.now()) }], { sync: true });
    };
    await put(first.update);
    const said: string[] = [];
    const session = fakeSession({
      send: (message) => {
        const nonce = message.kind === "update" ? ` ${message.update.proof.nonce}` : "";
        said.push(message.kind + nonce);
        return true;
      },
    });
    const established: string[] = [];
    const commit = async (ops: { key: Uint8Array; value: Uint8Array }[]) =>
      store.write(
        ops.map(({ key, value }) => ({ type: "put", key, value })),
        { sync: true },
      );
    const context = {
      store,
      ports: portsOf(0),
      committer: { commit, flush: async () => {} },
      established: (id: string) => established.push(id),
    };
    // The first was never acknowledged; the second is lost.
    const { mailbox, as } = fakeMailbox(first.state, context as never);
    Object.assign(mailbox.payer, { settleTo() {}, kick() {} });
    Object.assign(mailbox, {
      tellCredits() {},
      commit: async (next: ChannelState, ops: never[]) => {
        mailbox.state = next;
        await commit(ops);
      },
    });
    Object.assign(mailbox.closer, { resume() {} });
    Object.assign(mailbox.withdrawer, { resume() {} });
    const establisher = new Establisher(as);
    const payee = startClosing(receiveUpdates(b, [first.update, second.update], portsOf(1)).state);
    await establisher.receive(reestablish(payee), session);
    await settle();
    expect(mailbox.state.behind?.nonce).toBe(2n);
    await establisher.receiveReturned(second.update, session);
    await expect.poll(() => established).toEqual([CHANNEL_ID]);
    expect(mailbox.state.acknowledged).toBe(0n);
    expect(said).toEqual(["reestablish", "update 1", "update 2"]);
  });
});

describe("a channel that is being worked on", () => {
  it("is not forgotten in between, or it would have two owners", async () => {
    const [state] = openPair();
    const written = Promise.withResolvers<void>();
    const read = Promise.withResolvers<never>();
    const context = {
      ...journals,
      committer: { commit: () => written.promise, flush: async () => {} },
      chain: { read: () => read.promise, confirmedNumber: () => 1 },
      stopping: AbortSignal.abort(),
      attend() {},
      emit() {},
    };
    const mailbox = new ChannelMailbox(context as never, state, 1);
    expect(mailbox.isIdle).toBe(true);
    const committing = mailbox.commit({ ...state, acknowledged: 0n }, [], false);
    expect(mailbox.isIdle).toBe(false);
    written.resolve();
    await committing;
    expect(mailbox.isIdle).toBe(true);
    mailbox.chainSide.refreshSoon();
    expect(mailbox.isIdle).toBe(false);
    read.reject(new Error("no answer"));
    await settle();
    expect(mailbox.isIdle).toBe(true);
    const session = fakeSession();
    await mailbox.establisher.tell(session);
    expect(mailbox.isIdle).toBe(false);
    mailbox.establisher.end(session);
    expect(mailbox.isIdle).toBe(true);
  });
});

describe("a batch of payments that needs several updates", () => {
  it("does not say that nothing was paid when the peer took the first part and stopped the rest", async () => {
    const [open] = openPair({ deposits: [10_000n, 10_000n] });
    // One place is left in the window: the second update has to wait.
    const state = { ...open, sent: { ...open.sent, nonce: MAX_UNACKNOWLEDGED - 1n } };
    const context = {
      signEach: false,
      committer: { hasRoom: true },
      chain: { isFresh: true, assertFresh() {} },
      ports: portsOf(0),
    };
    const { mailbox, as, failures } = fakeMailbox(state, context as never);
    const session = fakeSession();
    Object.assign(mailbox, { session });
    const payer = new Payer(as);
    const perUpdate = Math.floor(MAX_ENTRIES_BYTES / TRANSFER_BYTES);
    const paying = payer.payMany(Array.from({ length: perUpdate + 5 }, () => ({ amount: 1n })));
    let decided = false;
    paying.catch(() => {}).finally(() => (decided = true));
    await settle();
    expect(mailbox.state.sent.nonce).toBe(MAX_UNACKNOWLEDGED);
    payer.failQueuedAsClosed();
    await settle();
    expect(decided).toBe(false);
    payer.settleTo(MAX_UNACKNOWLEDGED);
    await expect(paying).rejects.toMatchObject({
      code: "payments_partly_paid",
      fields: { paid: BigInt(perUpdate), count: BigInt(perUpdate + 5) },
      cause: { code: "channel_stopped" },
    });
    expect(failures).toEqual([]);
  });
});

describe("channels that wait for their first deposit", () => {
  const ids = Array.from({ length: 200 }, (_, i) => `0x${i.toString(16).padStart(64, "0")}` as ChannelId);

  /** An upkeep over `ids`, of which only `closing` is not waiting for a deposit. */
  function upkeepOf(closing: ChannelId | undefined, status: "none" | "open", pending: string[]) {
    const refreshed: ChannelId[] = [];
    const forgotten: ChannelId[] = [];
    const mailboxOf = (id: ChannelId) => ({
      channelId: id,
      since: 0,
      state: {
        terms: {
          phase: id === closing ? "closing" : "opening",
          chain: { deposits: [0n, 0n] },
          channel: CHANNEL,
        },
      },
      chainSide: { refresh: async () => void refreshed.push(id), refreshSoon() {}, awaitsBlock: false },
    });
    const mailboxes = new Map(ids.map((id) => [id, mailboxOf(id)]));
    const channels = {
      attention: new Set(ids),
      peek: (id: ChannelId) => mailboxes.get(id),
      isOpening: (id: ChannelId) => id !== closing,
      load: async (id: ChannelId) => mailboxes.get(id),
      forget: async ({ channelId }: { channelId: ChannelId }) => {
        forgotten.push(channelId);
        channels.attention.delete(channelId);
      },
    };
    const context = {
      stopping: new AbortController().signal,
      log: { info() {}, warn() {} },
      chain: { read: async () => ({ newest: reading({ status }) }) },
    };
    const init = {
      context,
      channels,
      pending: new Pending({
        context,
        channels,
        pledges: { get: () => undefined, drop: () => [] },
        ours: () => new Set(pending.map((id) => id.split("/")[0])),
      } as never),
      stopping: new AbortController(),
    };
    const upkeep = new Upkeep(init as never);
    const round = async () => {
      refreshed.length = 0;
      upkeep.onChainStatus({ kind: "head", head: {} as never });
      await settle();
      return [...refreshed];
    };
    return { round, forgotten };
  }

  it("never come before one with money at stake, and take turns", async () => {
    const closing = ids.at(-1)!;
    const { round } = upkeepOf(closing, "open", []);
    const first = await round();
    expect(first[0]).toBe(closing);
    expect(first).toHaveLength(65);
    const seen = new Set([...first, ...(await round()), ...(await round()), ...(await round())]);
    expect(seen.size).toBe(ids.length);
  });

  it("are forgotten after their time, but not while a deposit is on its way", async () => {
    const abandoned = upkeepOf(undefined, "none", [`${ids[1]}/deposit/5`]);
    await abandoned.round();
    expect(abandoned.forgotten).toContain(ids[0]);
    expect(abandoned.forgotten).not.toContain(ids[1]);
    const unconfirmed = upkeepOf(undefined, "open", []);
    await unconfirmed.round();
    expect(unconfirmed.forgotten).toEqual([]);
  });
});
