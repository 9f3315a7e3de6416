import { describe, expect, it } from "vitest";
import { ChannelMailbox } from "../../../src/node/channel/mailbox.ts";
import { openPair } from "../../protocol/support/channel.ts";
import { fakeSession, journals, settle } from "./fakes.ts";

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
