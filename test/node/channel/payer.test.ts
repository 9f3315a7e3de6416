import { describe, expect, it } from "vitest";
import { Payer } from "../../../src/node/channel/payer.ts";
import { NodeError } from "../../../src/node/error.ts";
import { MAX_ENTRIES_BYTES, MAX_UNACKNOWLEDGED, TRANSFER_BYTES } from "../../../src/protocol/index.ts";
import { openPair, portsOf } from "../../protocol/support/channel.ts";
import { fakeMailbox, fakeSession, settle } from "./fakes.ts";

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
