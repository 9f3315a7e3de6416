import type { Channel } from "../client/index.ts";
import { allChannels, findChannel, shortenedBy } from "./channelId.ts";
import { usage } from "./exitCodes.ts";
import type { Shell } from "./shell.ts";
import { safe } from "./text.ts";

/** Candidates named in a refusal. */
const SHOWN = 10;

/** Who is paid: a peer over whichever channel, or over one channel. */
export type Payee = { readonly peer: string } | { readonly channel: Pick<Channel, "channelId" | "token"> };

/**
 * The one peer or channel that `text` is, or shortens. What also fits another one, be it settled or a peer without a
 * channel, is refused: digits of an id can be chosen by whoever makes it, and money is paid on no guess.
 */
export async function findPayee(shell: Shell, text: string): Promise<Payee> {
  const name = text.trim().toLowerCase();
  if (/^0x[0-9a-f]{40}$/.test(name)) return { peer: name };
  if (/^0x[0-9a-f]{64}$/.test(name)) return { channel: await findChannel(shell, name) };
  const fits = shortenedBy(name);
  if (fits === undefined) {
    throw usage(
      `"${safe(text)}" is no request, peer or channel`,
      "Give a request (rvt1…), a peer's signer (`rivulet peers`) or a channel's id (`rivulet channels`), or at least the first 4 digits of one.",
    );
  }
  const peers = new Set((await (await shell.client()).peers()).items.map(({ signer }) => signer));
  const [channels, open]: [Channel[], Channel[]] = [[], []];
  for await (const channel of allChannels(shell)) {
    peers.add(channel.peer);
    if (channel.phase === "open") open.push(channel);
    if (fits(channel.channelId)) channels.push(channel);
  }
  const fitting = [...peers].filter(fits);
  if (channels.length + fitting.length === 1) {
    const [channel] = channels;
    if (channel === undefined) return { peer: fitting[0]! };
    if (channel.phase === "open") return { channel };
    throw usage(`channel ${channel.channelId} is ${channel.phase}`, candidates(open));
  }
  if (channels.length + fitting.length === 0) throw usage(`no peer or channel is ${text}`, candidates(open));
  const near = open.filter(({ channelId, peer }) => fits(channelId) || fits(peer));
  throw usage(`${channels.length + fitting.length} peers and channels fit ${text}`, candidates(near));
}

function candidates(open: readonly Channel[]): string {
  if (open.length === 0) return "No open channel fits. `rivulet channels` shows all.";
  const lines = open.slice(0, SHOWN).map(({ channelId, peer }) => `  ${channelId} with ${peer}`);
  if (open.length > SHOWN) lines.push("  and more: `rivulet channels --phase open` has them");
  return ["Give the whole id or signer of one of these:", ...lines].join("\n");
}
