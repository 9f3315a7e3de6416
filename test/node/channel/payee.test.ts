import { describe, expect, it } from "vitest";
import { Backlog } from "../../../src/node/backlog.ts";
import { Payee } from "../../../src/node/channel/payee.ts";
import {
  type ChannelState,
  MAX_ENTRIES_BYTES,
  packTransfers,
  receiveUpdates,
  TRANSFER_BYTES,
  type Update,
} from "../../../src/protocol/index.ts";
import { GroupCommit } from "../../../src/store/groupCommit.ts";
import { MemoryStore } from "../../../src/store/memoryStore.ts";
import { NOW, nextPaymentId, openPair, portsOf, sent } from "../../protocol/support/channel.ts";
import { fakeMailbox, fakeSession, settle } from "./fakes.ts";

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
