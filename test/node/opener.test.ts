import { describe, expect, it } from "vitest";
import { Channels } from "../../src/node/channels.ts";
import type { NodeContext } from "../../src/node/context.ts";
import { Opener } from "../../src/node/opener.ts";
import { participantOf, signerOf } from "../../src/protocol/index.ts";
import { NO_LOCKS } from "../../src/wire/message.ts";
import { CHANNEL, ESCROW, portsOf, reading } from "../protocol/support/channel.ts";
import { fakeSession, journals } from "./channel/fakes.ts";

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
