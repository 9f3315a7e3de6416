import { describe, expect, it } from "vitest";
import { Establisher } from "../../../src/node/channel/establisher.ts";
import {
  type ChannelState,
  NO_PROOF,
  receiveUpdates,
  reestablish,
  startClosing,
  type Update,
} from "../../../src/protocol/index.ts";
import { encodeUpdate } from "../../../src/store/channelRecord.ts";
import { updateKey } from "../../../src/store/keys.ts";
import { MemoryStore } from "../../../src/store/memoryStore.ts";
import { CHANNEL_ID, openPair, portsOf, sent } from "../../protocol/support/channel.ts";
import { fakeMailbox, fakeSession, settle } from "./fakes.ts";

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
