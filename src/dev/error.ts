import { failureText } from "../protocol/failureText.ts";
/** Failures of the development network, with the fields that explain them. */
export interface DevFailureFields {
  option_invalid: { option: string; reason: string };
  hardhat_missing: { command: string };
  port_taken: { port: number; option: string };
  state_in_use: { directory: string; pid: number };
  state_damaged: { file: string; line: number };
  state_newer: { version: number; known: number };
  state_unreplayable: { block: number; reason: string };
  method_unsupported: { method: string; reason: string };
  nodes_busy: { seconds: number; detail: string };
  node_gone: { name: string };
  snapshot_unknown: { id: string };
  snapshot_unsteady: { directory: string };
  chain_unsuited: { reason: string };
  network_closed: Record<never, never>;
}

export type DevErrorCode = keyof DevFailureFields;

type DevFailure = {
  [Code in DevErrorCode]: { readonly code: Code; readonly fields: DevFailureFields[Code] };
}[DevErrorCode];

const EXPLANATIONS: Readonly<Record<DevErrorCode, string>> = {
  option_invalid: "an option makes no sense",
  hardhat_missing: "the development chain is Hardhat's, and Hardhat 3 is not installed; install it",
  port_taken: "another program listens on this port; end it, or choose another port with the option",
  state_in_use: "another development network runs on this directory",
  state_damaged: "the record of the chain cannot be read; begin anew with another directory",
  state_newer: "a newer Rivulet wrote this directory; it was left alone",
  state_unreplayable:
    "the chain cannot be rebuilt from its record as it was; the directory was left alone, begin anew with another",
  method_unsupported: "the development chain does not take this call",
  nodes_busy: "the nodes did not come to rest",
  node_gone: "this node was started after the snapshot that was reverted to, and is gone with it",
  snapshot_unknown: "no such snapshot, or it was used already",
  snapshot_unsteady:
    "the node's database kept changing while it was copied; let payments end before a snapshot",
  chain_unsuited: "this is no development chain",
  network_closed: "the network is closed",
};

/** A refusal of the development network: a stable `code` and the `fields` that explain it. */
export class DevError extends Error {
  readonly code: DevErrorCode;
  readonly fields: Readonly<Record<string, string | number>>;

  constructor({ code, fields }: DevFailure, options?: ErrorOptions) {
    super(failureText({ code, fields }, EXPLANATIONS[code]), options);
    this.name = "DevError";
    this.code = code;
    this.fields = fields;
  }
}
