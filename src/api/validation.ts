import type { FastifySchemaCompiler, FastifySerializerCompiler } from "fastify";
import type { z } from "zod";
import { ApiError } from "./error.ts";

const PARTS: Readonly<Record<string, string>> = { querystring: "query" };

/**
 * Reads a part of a call by its schema and refuses keys the schema does not know, however deep: a mistyped limit must
 * not be taken for none.
 */
export const validator: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = "body" }) => {
  const part = PARTS[httpPart] ?? httpPart;
  return (given: unknown) => {
    // A body that consists of defaults may be left out.
    const data = given ?? (part === "body" ? {} : given);
    const { success, data: value, error } = schema.safeParse(data);
    if (!success) return { error: invalid(part, error.issues[0]) };
    const unknown = part === "headers" ? undefined : unknownKey(data, value, "");
    if (unknown !== undefined) return { error: refusal(part, unknown, "unknown key") };
    return { value };
  };
};

/** Writes an answer as its schema has it: what the document does not tell of does not leave. */
export const serializer: FastifySerializerCompiler<z.ZodType> = ({ schema }) => {
  return (answer) => JSON.stringify(schema.parse(answer));
};

/** Where something is in `given` that reading left out of `taken`. */
function unknownKey(given: unknown, taken: unknown, path: string): string | undefined {
  if (typeof given !== "object" || given === null || typeof taken !== "object" || taken === null) {
    return undefined;
  }
  for (const [key, value] of Object.entries(given)) {
    const place = `${path}/${key}`;
    if (!Object.hasOwn(taken, key)) return place;
    const unknown = unknownKey(value, (taken as Record<string, unknown>)[key], place);
    if (unknown !== undefined) return unknown;
  }
  return undefined;
}

function invalid(part: string, issue: z.core.$ZodIssue | undefined): ApiError {
  const path = `/${issue?.path.join("/") ?? ""}`;
  if (path === "/idempotency-key") {
    const missing = issue?.code === "invalid_type";
    return new ApiError({
      code: missing ? "idempotency_key_missing" : "idempotency_key_invalid",
      fields: {},
    });
  }
  return refusal(part, path, issue?.message ?? "not what the schema says");
}

function refusal(part: string, path: string, reason: string): ApiError {
  return new ApiError({ code: "request_invalid", fields: { part, path, reason } });
}
