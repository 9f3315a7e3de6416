import type { Channel } from "../client/index.ts";
import { usage } from "./exitCodes.ts";
import type { Shell } from "./shell.ts";
import { short } from "./text.ts";

/** Fewer digits than this name a channel only by accident. */
const LEAST_DIGITS = 4;

/** Candidates named in a refusal. */
const SHOWN = 10;

/** An id as tables show it, `0x3fa9c1…90ab`, or as people shorten it: its first digits, and perhaps its last. */
const SHORTENED = /^(0x[0-9a-f]*)(?:(?:…|\.{2,3})([0-9a-f]*))?$/;

/** Whether hex digits are what `text` shortens; undefined where it shortens nothing, or to too few digits. */
export function shortenedBy(text: string): ((hex: string) => boolean) | undefined {
  const [, first, last = ""] = SHORTENED.exec(text.trim().toLowerCase()) ?? [];
  if (first === undefined || first.length < 2 + LEAST_DIGITS) return undefined;
  return (hex) => hex.length >= first.length + last.length && hex.startsWith(first) && hex.endsWith(last);
}

/**
 * The one channel whose id is `text`, or begins with it, or is shortened in the middle to it. Where several or none fit
 * it is refused with those there are: nothing is done on a guess.
 */
export async function findChannel(shell: Shell, text: string): Promise<Channel> {
  const client = await shell.client();
  const name = text.trim().toLowerCase();
  if (/^0x[0-9a-f]{64}$/.test(name)) return client.channel({ params: { channelId: name as `0x${string}` } });
  const fits = shortenedBy(name);
  if (fits === undefined) {
    throw usage(
      `"${text}" is no channel`,
      `Give its id, or at least the first ${LEAST_DIGITS} digits of it.`,
    );
  }
  const [found, all]: [Channel[], Channel[]] = [[], []];
  for await (const channel of allChannels(shell)) {
    if (all.length <= SHOWN) all.push(channel);
    if (fits(channel.channelId)) found.push(channel);
  }
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw usage(`no channel is ${text}`, candidates(all));
  throw usage(`${found.length} channels fit ${text}`, candidates(found));
}

function candidates(channels: readonly Channel[]): string {
  if (channels.length === 0) return "This node has no channels yet.";
  const lines = channels.slice(0, SHOWN).map(({ channelId, phase }) => `  ${channelId} (${phase})`);
  if (channels.length > SHOWN) lines.push("  and more: `rivulet channels --all --json` has them");
  return ["Give the whole id of one of these:", ...lines].join("\n");
}

/** All channels, page by page. */
export async function* allChannels(
  shell: Shell,
  filter: { readonly peer?: string; readonly token?: string; readonly phase?: Channel["phase"] } = {},
): AsyncGenerator<Channel> {
  const client = await shell.client();
  let cursor: string | undefined;
  do {
    const page = await client.channels({ query: { ...filter, limit: 1000, ...(cursor && { cursor }) } });
    yield* page.items;
    cursor = page.next;
  } while (cursor !== undefined);
}

/** A channel in a sentence. */
export function named({ channelId, peer }: Channel): string {
  return `channel ${short(channelId)} with ${short(peer)}`;
}
