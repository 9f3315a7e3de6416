import { createSecureContext } from "node:tls";
import { NodeError } from "./error.ts";
import type { NodeOptions } from "./options.ts";

const SECURE = /\/(?:tls\/ws|wss)(?:\/|$)/;

/**
 * Throws `option_invalid` where a `/tls/ws` address has no certificate, where no such address would use the one there
 * is, and where certificate and key are none or do not fit each other. Else every handshake would fail without a word.
 */
export function checkPeerTls({ listen = [], peerTls }: NodeOptions): void {
  const address = listen.find((one) => SECURE.test(one));
  if (address !== undefined && peerTls === undefined)
    throw invalid("listen", `${address} needs a certificate and its key`);
  if (peerTls === undefined) return;
  if (address === undefined) throw invalid("peerTls", "no address it listens on ends in /tls/ws");
  try {
    createSecureContext({ cert: peerTls.certificate, key: peerTls.key });
  } catch (error) {
    // What OpenSSL says of a key names no part of it.
    throw invalid("peerTls", (error as Error).message);
  }
}

function invalid(option: string, reason: string): NodeError {
  return new NodeError({ code: "option_invalid", fields: { option, reason } });
}
