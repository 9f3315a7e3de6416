import { NodeError } from "../error.ts";
import type { Records } from "../records.ts";

const NAMESPACE = "limits";
const KEY = "frozen";

/** Where the brake is kept: whoever makes a database that must not spend puts a {@link Frozen} there. */
export const FREEZE_RECORD = { namespace: NAMESPACE, key: KEY } as const;

/** Since when nothing may be spent, Unix seconds, and why. */
export interface Frozen {
  readonly since: number;
  readonly reason: string;
}

/**
 * The brake: while it is on nothing is paid, whoever asks, over restarts too. Receiving, closing, disputes and
 * withdrawals to the own account go on: stopping those would help a thief.
 */
export class Freeze {
  readonly #records: Records;
  #state: Frozen | undefined;
  #isDurable: boolean;
  /** The release that is on its way to the disk. */
  #thawing: symbol | undefined;

  private constructor(records: Records, state: Frozen | undefined) {
    this.#records = records;
    this.#state = state;
    this.#isDurable = state !== undefined;
  }

  static async open(records: Records): Promise<Freeze> {
    return new Freeze(records, await records.get<Frozen>(NAMESPACE, KEY));
  }

  get state(): Frozen | undefined {
    return this.#state;
  }

  /** Throws `spending_frozen`. */
  assertThawed(): void {
    if (this.#state === undefined) return;
    const { since, reason } = this.#state;
    throw new NodeError({ code: "spending_frozen", fields: { since: BigInt(since), reason } });
  }

  /**
   * Nothing is paid from this call on; resolves once that survives a power cut, with whether it was this call that
   * froze. Frozen already, it keeps its reason.
   */
  async freeze(reason: string): Promise<boolean> {
    const isFirst = this.#state === undefined || this.#thawing !== undefined;
    if (isFirst) this.#state = { since: Math.floor(Date.now() / 1000), reason };
    // A brake pulled while another is being released stays pulled.
    this.#thawing = undefined;
    if (!isFirst && this.#isDurable) return false;
    await this.#records.put(NAMESPACE, KEY, this.#state, { sync: true });
    this.#isDurable = true;
    return isFirst;
  }

  /** The disk first: a crash must not freeze again what a human has thawed, nor thaw what is still frozen. */
  async thaw(): Promise<void> {
    const thawing = Symbol();
    this.#thawing = thawing;
    this.#isDurable = false;
    await this.#records.delete(NAMESPACE, KEY, { sync: true });
    if (this.#thawing !== thawing) return;
    this.#thawing = undefined;
    this.#state = undefined;
  }
}
