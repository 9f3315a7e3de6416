import { describe, expect, it } from "vitest";
import { findPayee } from "../../src/cli/payee.ts";
import type { Shell } from "../../src/cli/shell.ts";
import { short } from "../../src/cli/text.ts";
import type { Channel } from "../../src/client/index.ts";

const pad = (first: string, last: string, digits: number) =>
  `0x${first}${"0".repeat(digits - first.length - last.length)}${last}`;
const id = (first: string, last: string) => pad(first, last, 64);
const signer = (first: string, last: string) => pad(first, last, 40);

const ALICE = signer("dd8171", "8af6");
const BOB = signer("b0b0b0", "1111");
const CAROL = signer("ca401c", "2222");
/** Chose its digits after Carol's, and has no channel. */
const MALLORY = signer("ca401cff", "2222");

const CHANNELS = [
  { channelId: id("3fa9c1", "90ab"), peer: ALICE, phase: "open" },
  { channelId: id("777777", "1111"), peer: BOB, phase: "settled" },
  { channelId: id("888888", "2222"), peer: CAROL, phase: "open" },
  { channelId: id("888899", "3333"), peer: BOB, phase: "settled" },
  { channelId: id("b0b0ff", "4444"), peer: ALICE, phase: "open" },
] as Channel[];

const shell = {
  client: async () => ({
    channel: async ({ params }: { params: object }) => params,
    channels: async () => ({ items: CHANNELS }),
    peers: async () => ({ items: [{ signer: ALICE }, { signer: MALLORY }] }),
  }),
} as unknown as Shell;

async function refusal(text: string) {
  const error = await findPayee(shell, text).then(
    () => undefined,
    (one: Error & { action?: string; exitCode?: number }) => one,
  );
  expect(error?.exitCode).toBe(2);
  return { said: error!.message, action: error!.action! };
}

describe("whoever is paid", () => {
  it("is a peer or a channel, whole or as tables show it", async () => {
    for (const text of [
      ALICE,
      ALICE.toUpperCase().replace("0X", "0x"),
      short(ALICE),
      "0xdd81…8af6",
      "0xdd81",
    ])
      expect(await findPayee(shell, text)).toEqual({ peer: ALICE });
    for (const text of [short(CHANNELS[0]!.channelId), "0x3fa9"])
      expect(await findPayee(shell, text)).toEqual({ channel: CHANNELS[0] });
    const whole = id("1234", "5678");
    expect(await findPayee(shell, whole)).toEqual({ channel: { channelId: whole } });
  });

  it("is never guessed: a peer or channel with the same digits, whatever its state, makes it none", async () => {
    const alike = await refusal(short(CAROL));
    expect(alike.said).toContain("2 peers and channels fit");
    expect(alike.action).toContain(CHANNELS[2]!.channelId);
    expect(alike.action).not.toContain(CHANNELS[0]!.channelId);
    expect((await refusal("0x8888")).said).toContain("2 peers and channels fit");
    expect((await refusal("0xb0b0")).said).toContain("2 peers and channels fit");
  });

  it("that there is not is refused with the open channels only", async () => {
    const { said, action } = await refusal("0x1234");
    expect(said).toBe("no peer or channel is 0x1234");
    for (const { channelId, phase } of CHANNELS) expect(action.includes(channelId)).toBe(phase === "open");
    const settled = await refusal("0x7777");
    expect(settled.said).toBe(`channel ${CHANNELS[1]!.channelId} is settled`);
  });

  it.each(["nobody", "0xdd8", "dd8171", "0xdd81…8a…f6"])("is not named by %s", async (text) => {
    const { said, action } = await refusal(text);
    expect(said).toBe(`"${text}" is no request, peer or channel`);
    expect(action).toContain("rvt1…");
  });
});
