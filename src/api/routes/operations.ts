import type { Handlers } from "../handler.ts";

export const operationsHandlers: Handlers<"operations" | "operation"> = {
  operations: async ({ query }, { operations }) => operations.list(query),
  operation: async ({ params }, { operations }) => operations.get(params.id),
};
