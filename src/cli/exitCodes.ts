import { ApiProblem, Unreachable } from "../client/problem.ts";

/** What a command's exit code says. Documented in `docs/cli.md`; scripts decide by them, so they never change meaning. */
export const EXIT = {
  /** Done. */
  ok: 0,
  /** Refused or failed, and no money is in danger. */
  failed: 1,
  /** The command was typed wrong, or a setting is. Nothing was begun. */
  usage: 2,
  /** No node answers. What was asked may or may not have been taken. */
  unreachable: 3,
  /** Failed, and money is in danger or its whereabouts unknown: read what is said. */
  moneyAtStake: 4,
  /** A check found something wrong (`doctor`, `verify-statement`). */
  found: 5,
  /** The running node stopped by itself, since it could not go on: it has to run again, or no cheat is answered. */
  stoppedByItself: 6,
  /** Interrupted by Ctrl-C or SIGTERM while waiting; what was begun goes on in the node. */
  interrupted: 130,
} as const;

interface CliErrorOptions {
  readonly action?: string;
  readonly exitCode?: number;
  readonly code?: string | undefined;
}

/** A failure of the command itself, with what to do about it. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;
  readonly action: string | undefined;
  /** Where the failure has one of its own. */
  readonly code: string | undefined;

  constructor(message: string, options: CliErrorOptions = {}) {
    super(message);
    this.code = options.code;
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.action = options.action;
  }
}

/** Something typed wrong. */
export function usage(message: string, action?: string): CliError {
  return new CliError(message, { exitCode: EXIT.usage, ...(action !== undefined && { action }) });
}

/** The API's code for a call with an option or argument in it that is none. */
export const REQUEST_INVALID = "request_invalid";

/** What a call and a question end with on Ctrl-C or SIGTERM. */
const INTERRUPTIONS: ReadonlySet<string> = new Set(["AbortError", "AbortPromptError", "ExitPromptError"]);

export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof Unreachable) return EXIT.unreachable;
  // Only what somebody typed can be wrong with a call of ours.
  if (error instanceof ApiProblem && error.code === REQUEST_INVALID) return EXIT.usage;
  if (error instanceof ApiProblem) return error.moneyAtStake ? EXIT.moneyAtStake : EXIT.failed;
  const { moneyAtStake, name } = error as { moneyAtStake?: boolean; name?: string };
  if (name !== undefined && INTERRUPTIONS.has(name)) return EXIT.interrupted;
  return moneyAtStake === true ? EXIT.moneyAtStake : EXIT.failed;
}
