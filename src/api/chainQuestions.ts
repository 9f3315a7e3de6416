import { orAborted } from "../chain/wait.ts";
import { Allowance } from "../node/history/allowance.ts";
import { answererOf } from "../node/limits/spender.ts";
import type { Caller } from "./caller.ts";
import { ApiError } from "./error.ts";

/** How long an answer is told to whoever asks the same, milliseconds. */
export const KEPT_MS = 3_000;

/** Answers kept at once: each a few hundred bytes. */
const MAX_KEPT = 1_000;

/** How long a question may take, whoever still waits for it. */
const PATIENCE_MS = 300_000;

/** Questions that nobody has just asked, of one caller with all that were made from it. */
export const BURST = 60;
const PER_SECOND = 5;

/** Callers whose questions are counted; the longest unseen is forgotten first. */
const MAX_CALLERS = 1_000;

interface Kept {
  readonly answer: Promise<unknown>;
  readonly until: number;
}

/**
 * What callers want to know of the chain, or of all books: whoever asks the same together or shortly after one another
 * is one question, and a failure an answer. A reader can not use up what the chain's servers let the node ask.
 */
export class ChainQuestions {
  readonly #stopping: AbortSignal;
  /** Oldest first. */
  readonly #answers = new Map<string, Kept>();
  readonly #allowances = new Map<string, Allowance>();

  constructor(stopping: AbortSignal) {
    this.#stopping = stopping;
  }

  /**
   * The answer to the question `key`, at most some seconds old. Rejects with what `question` rejects with, with
   * `rate_limited`, and with the signal's reason.
   */
  async ask<Answer>(
    key: string,
    { caller, signal }: { readonly caller: Caller; readonly signal: AbortSignal },
    question: (signal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    const now = performance.now();
    const known = this.#answers.get(key);
    if (known !== undefined && now < known.until) return orAborted(known.answer as Promise<Answer>, signal);
    this.#count(caller);
    const answer = question(AbortSignal.any([this.#stopping, AbortSignal.timeout(PATIENCE_MS)]));
    this.#keep(key, { answer, until: now + KEPT_MS });
    return orAborted(answer, signal);
  }

  #keep(key: string, kept: Kept): void {
    this.#answers.delete(key);
    this.#answers.set(key, kept);
    for (const [oldest, { until }] of this.#answers) {
      if (this.#answers.size <= MAX_KEPT && performance.now() < until) return;
      this.#answers.delete(oldest);
    }
  }

  /** An admin owns the chain's servers. */
  #count({ scopes, spender }: Caller): void {
    if (scopes.includes("admin")) return;
    const by = answererOf(spender);
    const allowance = this.#allowances.get(by) ?? new Allowance(BURST, PER_SECOND);
    this.#allowances.delete(by);
    this.#allowances.set(by, allowance);
    const [oldest] = this.#allowances.keys();
    if (this.#allowances.size > MAX_CALLERS) this.#allowances.delete(oldest!);
    if (allowance.take()) return;
    throw new ApiError({ code: "rate_limited", fields: { retryAfterSeconds: 1n } });
  }
}
