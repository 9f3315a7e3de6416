import { z } from "zod";

/**
 * RFC 9457. `code` is stable and what programs decide by; `type` is the code as a URI. `moneyAtStake` is whether
 * money is in danger or its whereabouts unknown because of this failure; `action` says what to do about it.
 */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string().optional(),
    instance: z.string().optional(),
    moneyAtStake: z.boolean(),
    action: z.string().optional(),
    fields: z.record(z.string(), z.string()).optional(),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof Problem>;
