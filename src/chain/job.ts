import type { Receipt } from "./eth.ts";
import type { Intent, IntentRecord, Outcome, Progress, WaitReason } from "./intent.ts";

/** An intent under way in this process: waiting for a nonce, or signed and followed until it is over. */
export class Job {
  readonly intent: Intent;
  /** The order of submission, for fairness among equal deadlines. */
  readonly order: number;
  readonly #outcome = Promise.withResolvers<Outcome>();
  readonly #listeners = new Set<(progress: Progress) => void>();
  #last: Progress | undefined;
  /** Present once signed; always the journalled state. */
  record: IntentRecord | undefined;
  cancelRequested = false;
  /** When the newest attempt last left successfully, Unix milliseconds; 0: it must (again). */
  sentAt = 0;
  /** The pool would take it only at a higher fee. */
  outbid = false;
  /** Of whichever attempt was last seen in a block; undefined: none is known to be in one. */
  receipt: Receipt | undefined;
  /** Asked in the turn in which it is signed for the first time; false: it is not, and over. */
  mayLeave: (() => boolean) | undefined;
  /** Turns in a row in which the nonce was used and no attempt had a receipt. */
  unaccounted = 0;
  /** When that began, Unix milliseconds. */
  unaccountedSince = 0;
  /** When the count by which it is unmined was last compared with other servers', Unix milliseconds. */
  comparedAt = 0;

  constructor(intent: Intent, order: number) {
    this.intent = intent;
    this.order = order;
  }

  get mined(): boolean {
    return this.receipt !== undefined;
  }

  /** Adds a listener until the returned function is called; it hears where the job stands at once. */
  listen(listener: ((progress: Progress) => void) | undefined): () => void {
    if (listener === undefined) return () => {};
    this.#listeners.add(listener);
    if (this.#last !== undefined) listener(this.#last);
    return () => this.#listeners.delete(listener);
  }

  /** Says where the job stands, unless it just did. */
  say(progress: Progress): void {
    if (JSON.stringify(progress) === JSON.stringify(this.#last)) return;
    this.#last = progress;
    for (const listener of this.#listeners) {
      try {
        listener(progress);
      } catch {
        // A listener's bug must not hold up transactions.
      }
    }
  }

  wait(reason: WaitReason): void {
    this.say({ stage: "waiting", reason });
  }

  end(outcome: Outcome): void {
    this.#outcome.resolve(outcome);
  }

  get outcome(): Promise<Outcome> {
    return this.#outcome.promise;
  }
}

/** The more urgent first: the earlier deadline, then the earlier submission. */
export function byUrgency(a: Job, b: Job): number {
  const [first, second] = [a.intent.deadline ?? Number.MAX_VALUE, b.intent.deadline ?? Number.MAX_VALUE];
  return first !== second ? first - second : a.order - b.order;
}

export function byNonce(a: Job, b: Job): number {
  return (a.record?.nonce ?? 0) - (b.record?.nonce ?? 0);
}
