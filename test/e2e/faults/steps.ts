/** Where between a payment's request and its acknowledgement a failure strikes, in the order a payment passes them. */
export const STEPS = [
  "payer before write",
  "payer after write",
  "update in flight",
  "payee before write",
  "payee after write",
  "ack in flight",
  "payer acknowledged",
] as const;

export type Step = (typeof STEPS)[number];

/** Steps seen by the node's own process; the others are seen by the proxy on the wire. */
export type LocalStep = Exclude<Step, "update in flight" | "ack in flight">;

export function isLocal(step: Step): step is LocalStep {
  return step !== "update in flight" && step !== "ack in flight";
}

/** Whose process reaches a local step. */
export function atPayer(step: LocalStep): boolean {
  return step.startsWith("payer");
}

/**
 * How a node fails. `kill` is SIGKILL over a plain database: the operating system keeps what was written. `power`
 * loses what was not synced: the store drops it and the node is begun anew in the same process, which is quick;
 * `powerKill` does it with SIGKILL.
 */
export const FAILURES = ["kill", "power", "powerKill"] as const;

export type Failure = (typeof FAILURES)[number];
