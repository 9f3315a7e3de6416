import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelInfo, RivuletNode } from "../../node/index.ts";
import type { ChannelId } from "../../protocol/index.ts";
import { DevError } from "../error.ts";

const LOOK_MS = 5;

/** A loaded machine is slow, not stuck. */
const PATIENCE_SECONDS = 60;

/** Resolves once a node's channel is as wanted. Throws `nodes_busy`. */
export async function channelBecomes(
  { name, node }: { readonly name: string; readonly node: RivuletNode },
  channelId: ChannelId,
  wanted: (info: ChannelInfo) => boolean,
): Promise<void> {
  const end = performance.now() + PATIENCE_SECONDS * 1000;
  while (!wanted(await node.channel(channelId))) {
    if (performance.now() > end) {
      const fields = { seconds: PATIENCE_SECONDS, detail: `${name}'s channel ${channelId}` };
      throw new DevError({ code: "nodes_busy", fields });
    }
    await sleep(LOOK_MS);
  }
}
