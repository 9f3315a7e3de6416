import type { LocalStep } from "./steps.ts";

/** Lets everything through but the step it is armed for: whoever reaches that waits for the test's word. */
export class Gate {
  readonly #told: (step: LocalStep) => void;
  #armed: { readonly step: LocalStep; left: number } | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;
  /** This node's side of the channel that is looked at. */
  side: 0 | 1 = 0;

  constructor(told: (step: LocalStep) => void) {
    this.#told = told;
  }

  arm(step: LocalStep, count: number, side: 0 | 1): void {
    this.side = side;
    this.#armed = { step, left: count };
  }

  disarm(): void {
    this.#armed = undefined;
  }

  reach(step: LocalStep): Promise<void> | undefined {
    const armed = this.#armed;
    if (armed?.step !== step || --armed.left > 0) return undefined;
    this.#armed = undefined;
    this.#waiting = Promise.withResolvers<void>();
    this.#waiting.promise.catch(() => {});
    this.#told(step);
    return this.#waiting.promise;
  }

  pass(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  /** The node at the gate has failed: what waited there does not go on. */
  end(): void {
    this.disarm();
    this.#waiting?.reject(new Error("the node failed at this step"));
    this.#waiting = undefined;
  }
}
