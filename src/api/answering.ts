import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { ApiError } from "./error.ts";
import { MAX_BODY_BYTES } from "./options.ts";
import { isKnown, problemOf } from "./problems.ts";

/** RFC 9457. */
export const PROBLEM_TYPE = "application/problem+json";

/** Answers with what was thrown. What nobody expected is logged in full, under the id that the answer carries. */
export function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = translate(error);
  const problem = problemOf(known, `urn:rivulet:request:${request.id}`);
  if (problem.code === "internal_error") {
    request.log.error({ error, requestId: request.id, route: request.routeOptions.url }, "a call failed");
  }
  if (problem.code === "unauthenticated") reply.header("www-authenticate", 'Bearer realm="rivulet"');
  const retryAfter = problem.fields?.retryAfterSeconds;
  if (retryAfter !== undefined) reply.header("retry-after", retryAfter);
  if (problem.code === "method_not_allowed") reply.header("allow", problem.fields?.allowed);
  reply.code(problem.status).header("content-type", PROBLEM_TYPE);
  reply.serializer(JSON.stringify).send(problem);
}

/** What fastify says, in our codes. */
function translate(error: unknown): unknown {
  if (isKnown(error)) return error;
  const { code, statusCode } = error as Partial<FastifyError>;
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new ApiError({ code: "body_too_large", fields: { limit: BigInt(MAX_BODY_BYTES) } });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new ApiError({ code: "media_type_unsupported", fields: { expected: "application/json" } });
    case "FST_ERR_BAD_URL":
    case "FST_ERR_PARAM_EXCEEDED_MAX_LENGTH":
      return new ApiError({ code: "route_unknown", fields: {} });
    default:
      // The parser's words about a body hold pieces of it, and the body may hold a password.
      return statusCode === 400 ? requestInvalid("body", "/", "no JSON") : error;
  }
}

function requestInvalid(part: string, path: string, reason: string): ApiError {
  return new ApiError({ code: "request_invalid", fields: { part, path, reason } });
}

/** What is written to a socket whose bytes are no HTTP: no reply exists yet. */
export function rawProblem(code: string | undefined): string {
  const late = code === "ERR_HTTP_REQUEST_TIMEOUT";
  const large = code === "HPE_HEADER_OVERFLOW";
  const error = late
    ? new ApiError({ code: "request_timeout", fields: {} })
    : requestInvalid("headers", "/", large ? "too large" : "no HTTP");
  const problem = problemOf(error);
  const status = large ? 431 : problem.status;
  const body = JSON.stringify({ ...problem, status });
  const reason = { 400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large" }[
    status
  ];
  const headers = `content-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
  return `HTTP/1.1 ${status} ${reason}\r\n${headers}\r\n\r\n${body}`;
}
