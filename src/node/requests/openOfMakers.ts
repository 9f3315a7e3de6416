/** Requests one caller, with whoever was made from it, has unpaid at once: others still get theirs. */
export const MAX_OPEN_OF_ONE = 20_000;

/** An unpaid request counts for so long at least, seconds, however soon it expires: each stays on disk. */
const COUNTED_SECONDS = 3_600;

/** How often a full maker's requests are looked through, seconds: being refused must cost nothing. */
const LOOK_SECONDS = 1;

interface Open {
  /** Until when each counts, Unix seconds. */
  readonly until: Map<string, number>;
  lookedAt: number;
}

/** How many requests each maker has unpaid. */
export class OpenOfMakers {
  readonly #makers = new Map<string, Open>();

  /** `now`: Unix seconds. */
  isFull(maker: string, now: number): boolean {
    const own = this.#makers.get(maker);
    if (own === undefined || own.until.size < MAX_OPEN_OF_ONE) return false;
    if (now - own.lookedAt >= LOOK_SECONDS) {
      own.lookedAt = now;
      forgetOver(own, now);
    }
    return own.until.size >= MAX_OPEN_OF_ONE;
  }

  add(
    maker: string,
    idKey: string,
    times: { readonly createdAt: number; readonly payableUntil: number },
  ): void {
    const own = this.#makers.get(maker) ?? { until: new Map(), lookedAt: 0 };
    own.until.set(idKey, Math.max(times.payableUntil, times.createdAt + COUNTED_SECONDS));
    this.#makers.set(maker, own);
  }

  /** It was paid or cancelled. */
  drop(maker: string, idKey: string): void {
    const own = this.#makers.get(maker);
    if (own?.until.delete(idKey) && own.until.size === 0) this.#makers.delete(maker);
  }

  /** Forgets what no longer counts. `now`: Unix seconds. */
  sweep(now: number): void {
    for (const [maker, own] of this.#makers) {
      forgetOver(own, now);
      if (own.until.size === 0) this.#makers.delete(maker);
    }
  }
}

function forgetOver({ until }: Open, now: number): void {
  for (const [idKey, time] of until) if (time < now) until.delete(idKey);
}
