/** What a run of a model got to: a run that reached too little has tested too little. */
export class Reached {
  readonly #counts = new Map<string, number>();

  count(what: string, times = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + times);
  }

  get(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  /** What was reached less often than wanted, given for a thousand histories, in `histories` of them. */
  missing(wanted: Readonly<Record<string, number>>, histories: number): string[] {
    return Object.entries(wanted)
      .map(([what, perThousand]) => ({ what, least: Math.floor((perThousand * histories) / 1000) }))
      .filter(({ what, least }) => this.get(what) < least)
      .map(({ what, least }) => `${what}: ${this.get(what)} of ${least}`);
  }

  toString(): string {
    const sorted = [...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([what, times]) => `${what} ${times}`).join(", ");
  }
}
