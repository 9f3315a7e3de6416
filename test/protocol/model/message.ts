import type { Credits, Reestablish, Update } from "../../../src/protocol/index.ts";

/** A signed withdrawal of one side, as either of them says it. */
export interface WithdrawalMessage {
  readonly total: bigint;
  readonly deadline: bigint;
  readonly signature: Uint8Array;
}

/** What two peers tell each other about one channel. */
export type Message =
  | { readonly kind: "reestablish"; readonly reestablish: Reestablish }
  | { readonly kind: "update"; readonly update: Update }
  | { readonly kind: "returned"; readonly update: Update }
  | { readonly kind: "ack"; readonly nonce: bigint }
  | { readonly kind: "credited"; readonly credits: Credits }
  | ({ readonly kind: "propose" } & WithdrawalMessage)
  | ({ readonly kind: "countersign" } & WithdrawalMessage)
  | { readonly kind: "stop"; readonly nonce: bigint }
  | {
      readonly kind: "closeSign";
      readonly transferred0: bigint;
      readonly transferred1: bigint;
      readonly deadline: bigint;
      readonly signature: Uint8Array;
    };
