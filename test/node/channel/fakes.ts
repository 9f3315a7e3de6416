import type { ChannelMailbox } from "../../../src/node/channel/mailbox.ts";
import type { NodeContext } from "../../../src/node/context.ts";
import type { PeerSession } from "../../../src/p2p/session.ts";
import type { ChannelState } from "../../../src/protocol/index.ts";

/** Long enough for everything that does not wait for a clock. */
export const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

/** A mailbox that keeps what it is given, and a context of whatever the test needs. */
export function fakeMailbox(state: ChannelState, context: Partial<NodeContext>) {
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
  return { mailbox, failures, as: mailbox as unknown as ChannelMailbox };
}

/** What a mailbox writes its changes down in besides the channel's record. */
export const journals = { history: { record() {} }, bookJournal: { ops: () => [] } };

export function fakeSession(change: Partial<PeerSession> = {}): PeerSession {
  const closed = new AbortController().signal;
  const session = { closed, send: () => true, pause() {}, resume() {}, close: async () => {}, ...change };
  return session as unknown as PeerSession;
}
