import { ChainError, type ChainFailure } from "./error.ts";

/** Largest answer read: far above a bounded getLogs, far below what hurts the process. */
export const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

const TOO_LARGE =
  /more than [\d,]+ (results|logs|blocks)|too many (results|logs|blocks)|(block )?range .*(too|limit|exceed|large|wide)|response size|limited to a? ?[\d,]+|exceeds? .*(range|results|block)|result set|max(imum)? .*range/i;

/** A JSON-RPC message as a server sent it, nothing checked but that it is an object. */
export interface RawAnswer {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
  readonly method?: unknown;
  readonly params?: unknown;
}

/** The message in a text, or undefined when it holds none. */
export function parseAnswer(text: string): RawAnswer | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Throws what a server's own error means; does nothing for an answer without one. */
export function throwError({ error }: RawAnswer, method: string): void {
  if (error !== undefined && error !== null) throw new ChainError(failureFrom(error, method));
}

export function tooLarge(method: string): ChainError {
  return new ChainError({ code: "rpc_too_large", method, reason: `answer above ${MAX_ANSWER_BYTES} bytes` });
}

function failureFrom(error: unknown, method: string): ChainFailure {
  const { code, message, data } = error as { code?: unknown; message?: unknown; data?: unknown };
  const rpcCode = typeof code === "number" ? code : 0;
  const reason = typeof message === "string" ? message.slice(0, 500) : "no message";
  // Some servers answer too wide a getLogs with the rate limit's code, so the text is read first.
  if (method === "eth_getLogs" && TOO_LARGE.test(reason)) return { code: "rpc_too_large", method, reason };
  if (rpcCode === -32005 || rpcCode === 429 || /rate.?limit|too many requests/i.test(reason)) {
    return { code: "rpc_rate_limited", method, retryAfterMs: undefined };
  }
  return { code: "rpc_error", method, rpcCode, reason, data: revertData(data, 3) };
}

/** A revert's data: servers give it as `data`, or one or two objects deep. */
function revertData(data: unknown, depth: number): string | undefined {
  if (typeof data === "string") return /^0x([0-9a-f]{2})*$/i.test(data) ? data : undefined;
  if (typeof data !== "object" || data === null || depth === 0) return undefined;
  return revertData((data as { data?: unknown }).data, depth - 1);
}
