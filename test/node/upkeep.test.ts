import { describe, expect, it } from "vitest";
import { Pending } from "../../src/node/pending.ts";
import { Upkeep } from "../../src/node/upkeep.ts";
import type { ChannelId } from "../../src/protocol/index.ts";
import { CHANNEL, reading } from "../protocol/support/channel.ts";
import { settle } from "./channel/fakes.ts";

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
      payouts: { look() {} },
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
