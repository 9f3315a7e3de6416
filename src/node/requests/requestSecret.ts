import { createHmac, hkdfSync } from "node:crypto";

/** The payment secret of this node's request with a payment id. */
export type SecretOf = (paymentId: Uint8Array) => Uint8Array;

/**
 * Secrets that follow from the node's key: nobody else can tell them from random ones, and the node knows its own again
 * when it has forgotten the request.
 */
export function requestSecrets(signerKey: Uint8Array): SecretOf {
  const key = new Uint8Array(hkdfSync("sha256", signerKey, "", "rivulet/request-secret/1", 32));
  return (paymentId) => Uint8Array.from(createHmac("sha256", key).update(paymentId).digest());
}
