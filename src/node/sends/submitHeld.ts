import type { Intent, Outcome, SubmitOptions } from "../../chain/intent.ts";
import type { ChainSync } from "../chainSync.ts";
import type { Admitted } from "../limits/held.ts";

/**
 * Submits a transaction by which money leaves that was let leave (`held`; undefined: it was before, or needs not be). Asks
 * once more before it is signed, and gives back what it counted for when it had no effect.
 */
export async function submitHeld(
  chain: ChainSync,
  intent: Intent,
  held: Admitted | undefined,
  options: Omit<SubmitOptions, "mayLeave">,
): Promise<Outcome> {
  let refusal: unknown;
  const mayLeave = () => {
    try {
      held?.assertStillAllowed();
      return true;
    } catch (error) {
      refusal = error;
      return false;
    }
  };
  const outcome = await chain.submit(intent, { ...options, mayLeave });
  // Every such end is one without effect.
  if (!outcome.ok) held?.release();
  if (refusal !== undefined) throw refusal;
  return outcome;
}
