import type { Failed, Intent, Outcome, Progress, Refused } from "../../chain/intent.ts";
import { orAborted } from "../../chain/wait.ts";
import type { Hex } from "../../protocol/index.ts";
import type { NodeContext } from "../context.ts";
import { NodeError } from "../error.ts";
import type { Admitted } from "../limits/held.ts";

/** What a name stands for, on disk before anything is signed. */
interface Stored {
  /** Base units, a decimal string. */
  readonly amount: string;
}

/** A transaction by which money of the account leaves or comes: one for ever, however often its name is given. */
export interface NamedTransaction<Of extends Stored> {
  readonly name: string;
  /** The namespace of what the names stand for. */
  readonly namespace: string;
  /** What {@link submitNamed} publishes it as. */
  readonly intent: string;
  /** In a word. */
  readonly kind: string;
  /** Whether what the name stands for is what is asked for now. */
  readonly isSame: (stored: Of) => boolean;
  /** Throws where what is stored and not known to be signed may be signed all the same. Absent: it does no harm again. */
  readonly assertUnsigned?: (stored: Of) => void;
  /** Finds out what it comes to, and has it let leave. */
  readonly admit: () => Promise<Begun<Of>>;
}

export interface Begun<Of extends Stored> {
  readonly stored: Of;
  /** What it counts for; undefined where it was counted before, or needs not be. */
  readonly held?: Admitted | undefined;
}

/**
 * Joins what was signed under this name before, or begins it: on disk once this resolves, with nothing signed. Throws
 * `option_invalid` when the name stands for something else, and what the transaction's own functions throw.
 */
export async function takeUp<Of extends Stored>(
  { records, chain }: NodeContext,
  transaction: NamedTransaction<Of>,
): Promise<Begun<Of>> {
  const { name, namespace, intent, kind } = transaction;
  const stored = await records.get<Of>(namespace, name);
  if (stored !== undefined) {
    if (!transaction.isSame(stored)) {
      const reason = `it stands for another ${kind}`;
      throw new NodeError({ code: "option_invalid", fields: { option: "name", reason } });
    }
    if (chain.pending().includes(intent) || (await chain.knows(intent))) return { stored };
    transaction.assertUnsigned?.(stored);
  }
  const begun = await transaction.admit();
  await records.put(namespace, name, begun.stored, { sync: true });
  return begun;
}

/**
 * Submits what was taken up, in this turn. Asks once more before it is signed whether it is still let leave, and gives
 * back what it counted for when it had no effect. Goes on when nobody waits any more, until the node stops.
 */
export async function submitNamed(
  { chain, stopping }: NodeContext,
  intent: Intent,
  held: Admitted | undefined,
  onProgress: (progress: Progress) => void,
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
  const outcome = await chain.submit(intent, { signal: stopping, onProgress, mayLeave });
  // Every such end is one without effect.
  if (!outcome.ok) held?.release();
  if (refusal !== undefined) throw refusal;
  return outcome;
}

/** Waits for its end, or until `signal` aborts; base units. Throws what `failed` makes of one that had no effect. */
export async function confirmed(
  over: Promise<Outcome>,
  { amount }: Stored,
  signal: AbortSignal,
  failed: (outcome: Refused | Failed) => NodeError,
): Promise<{ readonly amount: bigint; readonly transaction: Hex }> {
  over.catch(() => {}); // nobody may be waiting any more when the node stops
  const outcome = await orAborted(over, signal);
  if (!outcome.ok) throw failed(outcome);
  return { amount: BigInt(amount), transaction: outcome.hash };
}
