import type { Problem } from "../api/schema/problem.ts";

/** A refusal of the node, as an RFC 9457 problem: decide by `code`, show `detail` and `action`. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly status: number;
  /** Stable. */
  readonly code: string;
  readonly title: string;
  readonly detail: string | undefined;
  /** Whether money is in danger, or its whereabouts unknown, because of this failure. */
  readonly moneyAtStake: boolean;
  /** What to do about it. */
  readonly action: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
  /** Names the call in the node's log. */
  readonly requestId: string | undefined;
  /** Of the call that was refused: asking again with it can do nothing twice. */
  idempotencyKey: string | undefined;

  constructor(problem: Problem, requestId?: string) {
    super(problem.detail ?? problem.title);
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.detail = problem.detail;
    this.moneyAtStake = problem.moneyAtStake;
    this.action = problem.action;
    this.fields = problem.fields ?? {};
    this.requestId = requestId;
  }
}

/** The node was not reached, or stopped answering. Whether it took the call is unknown; the same key asks safely again. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  readonly code = "unreachable";
  readonly idempotencyKey: string | undefined;

  constructor(url: string, idempotencyKey: string | undefined, cause: unknown) {
    super(`no node answers at ${url}`, { cause });
    this.idempotencyKey = idempotencyKey;
  }
}

/** The problem of an answer that is not a success; made up where a stranger answered with something else. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const requestId = response.headers.get("x-request-id") ?? undefined;
  const body: unknown = await response.json().catch(() => undefined);
  const known = typeof body === "object" && body !== null && typeof (body as Problem).code === "string";
  if (known) return new ApiProblem(body as Problem, requestId);
  const title = `An answer with status ${response.status} that is not Rivulet's`;
  const problem: Problem = {
    type: "about:blank",
    title,
    status: response.status,
    code: "not_rivulet",
    moneyAtStake: false,
    action: "Check the address of the API.",
  };
  return new ApiProblem(problem, requestId);
}
