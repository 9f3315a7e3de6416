import { describe, expect, it } from "vitest";
import { ChainSide } from "../../../src/node/channel/chainSide.ts";
import { observeChain, participantOf, signWithdrawal, startClosing } from "../../../src/protocol/index.ts";
import { MemoryStore } from "../../../src/store/memoryStore.ts";
import {
  CHANNEL,
  CHANNEL_ID,
  digests,
  KEYS,
  NOW,
  openPair,
  paid,
  portsOf,
  reading,
  unwrap,
} from "../../protocol/support/channel.ts";
import { fakeMailbox, settle } from "./fakes.ts";

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
