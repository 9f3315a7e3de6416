import { failureText } from "../protocol/failureText.ts";
import { ApiError } from "./error.ts";
import { type KnownCode, MEANINGS } from "./problemTable.ts";
import type { Problem } from "./schema/problem.ts";

/** `type` of every problem: a name, not a place; nothing is fetched from it. */
const TYPE_PREFIX = "urn:rivulet:problem:";

/** Fields are for programs and logs; what others sent may be long. */
const MAX_FIELD_LENGTH = 300;

interface Coded {
  readonly code: KnownCode;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly failure?: Readonly<Record<string, unknown>>;
  readonly moneyAtStake?: boolean;
}

/** Whether what was thrown is an expected failure, with a line in the table. */
export function isKnown(error: unknown): error is Error & Coded {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return typeof code === "string" && Object.hasOwn(MEANINGS, code);
}

/**
 * What was thrown, as RFC 9457 has it. Expected failures keep their code and fields; everything else becomes
 * `internal_error` and says nothing of its text, which may hold a path or a secret: whoever calls this logs it.
 *
 * @param instance names this one occurrence, for example the request's id.
 */
export function problemOf(error: unknown, instance?: string): Problem {
  const known = expected(error);
  const { status, title, action, moneyAtStake } = MEANINGS[known.code];
  const fields = fieldsOf(known);
  return {
    type: `${TYPE_PREFIX}${known.code}`,
    title,
    status,
    code: known.code,
    ...(fields !== undefined && { detail: failureText({ code: known.code, fields }, title), fields }),
    ...(instance !== undefined && { instance }),
    moneyAtStake: known.moneyAtStake ?? moneyAtStake,
    action,
  };
}

function expected(error: unknown): Coded {
  if (isKnown(error)) return error;
  const name = error instanceof Error ? error.name : "";
  if (name === "TimeoutError") return new ApiError({ code: "timed_out", fields: {} });
  // The node ends every wait with this when it stops; a client that left is not answered at all.
  if (name === "AbortError") return { code: "node_stopped" };
  return new ApiError({ code: "internal_error", fields: {} });
}

function fieldsOf({ fields, failure }: Coded): Record<string, string> | undefined {
  // A chain's failure carries its code among its fields.
  const { code: _, ...ofChain } = failure ?? {};
  const entries = Object.entries(fields ?? ofChain)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, String(value).slice(0, MAX_FIELD_LENGTH)] as const);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
