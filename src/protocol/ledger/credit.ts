import type { Refusal } from "../refusal.ts";
import { refuse } from "../refusal.ts";
import { type ChannelState, type Credits, withTerms } from "./state.ts";

/**
 * Takes the payee's announcement of what it counts. An older or repeated one changes nothing; the same sequence with
 * other content is a lie. What the payee announces about its own credit costs only itself, so nothing else is checked.
 */
export function receiveCredited(
  state: ChannelState,
  credits: Credits,
): { readonly ok: true; readonly state: ChannelState } | Refusal {
  const { credited } = state.terms;
  if (credits.sequence < credited.sequence) return { ok: true, state };
  if (credits.sequence === credited.sequence) {
    return sameCredits(credits, credited)
      ? { ok: true, state }
      : refuse("credited_stale", { sequence: credits.sequence });
  }
  return { ok: true, state: withTerms(state, { credited: credits }) };
}

function sameCredits(a: Credits, b: Credits): boolean {
  return (
    a.deposits[0] === b.deposits[0] &&
    a.deposits[1] === b.deposits[1] &&
    a.withdrawn[0] === b.withdrawn[0] &&
    a.withdrawn[1] === b.withdrawn[1] &&
    a.closeLive === b.closeLive
  );
}

/**
 * Numbers our announcements on from `sequence`: for a node that lost data and no longer knows which numbers it gave.
 * `sequence` must be beyond all of them; Unix milliseconds are, as nobody announces a thousand times a second.
 */
export function renumberCredits(state: ChannelState, sequence: bigint): ChannelState {
  const { announced } = state.terms;
  if (announced.sequence >= sequence) return state;
  return withTerms(state, { announced: { ...announced, sequence } });
}
