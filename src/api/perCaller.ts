import { answererOf } from "../node/limits/spender.ts";
import type { Caller } from "./caller.ts";

/** Counts what each caller holds or has under way. Whoever makes many access tokens of one stays one caller. */
export class PerCaller {
  readonly most: number;
  readonly #counts = new Map<string, number>();

  constructor(most: number) {
    this.most = most;
  }

  /** All callers' together. */
  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return total;
  }

  /** One more of this caller's; what is given ends it, once. Undefined if it has as many as it may. */
  take({ spender }: Pick<Caller, "spender">): (() => void) | undefined {
    const by = answererOf(spender);
    const count = this.#counts.get(by) ?? 0;
    if (count >= this.most) return undefined;
    this.#counts.set(by, count + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const left = this.#counts.get(by)! - 1;
      if (left === 0) this.#counts.delete(by);
      else this.#counts.set(by, left);
    };
  }
}
