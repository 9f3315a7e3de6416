import { amount } from "./format.ts";
import type { Stage } from "./stage.ts";

/** 4. The native channel is closed by both together, in one transaction. */
export async function closeStep(stage: Stage): Promise<void> {
  const { screen, parties, channels } = stage;
  screen.begin("A cooperative close of the native channel");
  const channelId = channels.native;
  const paid = await parties.alice.node.call("close", { channelId });
  await parties.bob.node.call("settled", { channelId });
  screen.finish(`one transaction both signed; alice got ${amount(paid, "native")}`);
}
