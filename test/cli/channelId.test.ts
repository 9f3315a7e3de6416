import { describe, expect, it } from "vitest";
import { findChannel } from "../../src/cli/channelId.ts";
import type { Shell } from "../../src/cli/shell.ts";
import { short } from "../../src/cli/text.ts";
import type { Channel } from "../../src/client/index.ts";

const pad = (first: string, last: string) =>
  `0x${first}${"0".repeat(64 - first.length - last.length)}${last}`;
const IDS = [pad("3fa9c1", "90ab"), pad("3fa9c1", "90cd"), pad("77777777", "1111")];

/** A node with these channels, two a page. */
function shellOf(ids: readonly string[]): Shell {
  const items = ids.map((channelId) => ({ channelId, phase: "open" }) as Channel);
  const client = {
    channel: async ({ params }: { params: { channelId: string } }) => ({ channelId: params.channelId }),
    channels: async ({ query }: { query: { cursor?: string } }) => {
      const from = Number(query.cursor ?? 0);
      const rest = from + 2 < items.length ? { next: `${from + 2}` } : {};
      return { items: items.slice(from, from + 2), ...rest };
    },
  };
  return { client: async () => client } as unknown as Shell;
}

const found = async (text: string) => (await findChannel(shellOf(IDS), text)).channelId;

/** What is said about a name that is refused, with what to do. */
async function refusal(text: string, ids = IDS) {
  const error = await findChannel(shellOf(ids), text).then(
    () => undefined,
    (one: Error & { action?: string; exitCode?: number }) => one,
  );
  return { said: error?.message, action: error?.action ?? "", exitCode: error?.exitCode };
}

describe("a channel", () => {
  it("is named by its id, its first digits, or as tables show it", async () => {
    for (const text of [
      IDS[2]!,
      "0x7777",
      "0x77777777",
      "0x7777…",
      "0X7777".toLowerCase(),
      short(IDS[2]!),
      "0x777777...1111",
      " 0x777777..1111 ",
    ])
      expect(await found(text)).toBe(IDS[2]);
    for (const id of IDS) expect(await found(short(id))).toBe(id);
    expect(await found("0x3FA9…90CD")).toBe(IDS[1]);
  });

  it("is never guessed: where several fit, all of them are named", async () => {
    for (const text of ["0x3fa9c1", "0x3fa9...", "0x3fa9c1…"]) {
      const { said, action, exitCode } = await refusal(text);
      expect(said).toContain("2 channels fit");
      expect(action).toContain(IDS[0]);
      expect(action).toContain(IDS[1]);
      expect(action).not.toContain(IDS[2]);
      expect(exitCode).toBe(2);
    }
  });

  it("that there is not is refused with those that there are, ten at most", async () => {
    const { said, action } = await refusal("0xffff");
    expect(said).toBe("no channel is 0xffff");
    for (const id of IDS) expect(action).toContain(id);
    const many = Array.from({ length: 15 }, (_, at) => pad(at.toString(16).padStart(4, "0"), "1111"));
    const crowded = await refusal("0xffff", many);
    expect(crowded.action.match(/0x/g)).toHaveLength(10);
    expect(crowded.action).toContain("and more");
    expect((await refusal("0xffff", [])).action).toContain("no channels yet");
  });

  it.each(["0x3f", "3fa9c1", "0x3fa9zz", "0x…90ab", "0x3fa9…90…ab", `0x${"1".repeat(66)}`])(
    "is not named by %s",
    async (text) => {
      expect((await refusal(text)).said).toMatch(/is no channel|no channel is/);
    },
  );
});
