/** How long alike things are counted together, milliseconds. */
const WINDOW_MS = 60_000;

/** Of alike things this many are told at once in a window: enough to see what goes on. */
const TOLD_AT_ONCE = 3;

/** Kinds and senders told apart in a window; what strangers make beyond that is counted together, by kind. */
const MAX_TOLD_APART = 256;

interface RepeatsInit<Told> {
  readonly tell: (told: Told) => void;
  /** What to tell at the end of a window of `count` more that were held back, `last` being the last of them. */
  readonly summarize: (last: Told, count: number) => Told;
}

interface Alike<Told> {
  told: number;
  held: number;
  last: Told;
}

/**
 * Tells what others can cause again and again without letting them flood whoever is told: of alike things the first
 * few of every minute at once, and at its end how many more there were.
 */
export class Repeats<Told> {
  readonly #init: RepeatsInit<Told>;
  /** By kind and sender, and by kind alone for what came when there were too many. */
  readonly #alike = new Map<string, Alike<Told>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(init: RepeatsInit<Told>) {
    this.#init = init;
  }

  /** `kind` must be one of ours: what a stranger could choose would be new every time. */
  tell(kind: string, sender: string, told: Told): void {
    const alike = this.#find(`${kind} ${sender}`) ?? this.#find(kind, true)!;
    alike.last = told;
    if (alike.told >= TOLD_AT_ONCE) {
      alike.held++;
      return;
    }
    alike.told++;
    this.#timer ??= setTimeout(() => this.flush(), WINDOW_MS).unref();
    this.#init.tell(told);
  }

  /** Ends the window now: tells what was held back. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const ended = [...this.#alike.values()];
    this.#alike.clear();
    for (const { held, last } of ended) if (held > 0) this.#init.tell(this.#init.summarize(last, held));
  }

  #find(key: string, always = false): Alike<Told> | undefined {
    let alike = this.#alike.get(key);
    if (alike === undefined && (always || this.#alike.size < MAX_TOLD_APART)) {
      alike = { told: 0, held: 0, last: undefined as Told };
      this.#alike.set(key, alike);
    }
    return alike;
  }
}
