import type { Channel } from "../client/index.ts";
import { usage } from "./exitCodes.ts";
import type { Shell } from "./shell.ts";
import { short } from "./text.ts";

/** Fewer digits than this name a channel only by accident. */
const LEAST_DIGITS = 4;

/** The channel whose id is, or begins with, `text`. */
export async function findChannel(shell: Shell, text: string): Promise<Channel> {
  const client = await shell.client();
  const prefix = text.toLowerCase().replace(/…$/, "");
  if (/^0x[0-9a-f]{64}$/.test(prefix))
    return client.channel({ params: { channelId: prefix as `0x${string}` } });
  if (!/^0x[0-9a-f]*$/.test(prefix) || prefix.length < 2 + LEAST_DIGITS) {
    throw usage(`"${text}" is no channel`, "Give its id, or the first digits of it.");
  }
  const found: Channel[] = [];
  for await (const channel of allChannels(shell))
    if (channel.channelId.startsWith(prefix)) found.push(channel);
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw usage(`no channel begins with ${prefix}`, "`rivulet channels` lists them.");
  throw usage(
    `${found.length} channels begin with ${prefix}`,
    found.map(({ channelId }) => channelId).join("\n"),
  );
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
