import { createSecureContext } from "node:tls";
import { multiaddr } from "@multiformats/multiaddr";
import { NodeError } from "./error.ts";
import type { NodeOptions } from "./options.ts";

const SECURE = /\/(?:tls\/ws|wss)(?:\/|$)/;

/**
 * Throws `option_invalid` for what peers could not be reached with: an address that is none, a `/tls/ws` address without
 * a certificate, a certificate that no such address would use, or one that does not fit its key. libp2p would say so
 * only once the chain has answered, or never.
 */
export function checkPeerOptions({ listen = [], announce = [], peerTls }: NodeOptions): void {
  for (const address of listen) checkAddress("listen", address);
  for (const address of announce) checkAddress("announce", address);
  const secure = listen.find((one) => SECURE.test(one));
  if (secure !== undefined && peerTls === undefined)
    throw invalid("listen", `${secure} needs a certificate and its key`);
  if (peerTls === undefined) return;
  if (secure === undefined) throw invalid("peerTls", "no address it listens on ends in /tls/ws");
  try {
    createSecureContext({ cert: peerTls.certificate, key: peerTls.key });
  } catch (error) {
    // What OpenSSL says of a key names no part of it.
    throw invalid("peerTls", (error as Error).message);
  }
}

function checkAddress(option: string, address: string): void {
  try {
    multiaddr(address);
  } catch {
    throw invalid(option, `"${address}" is no multiaddr, for example /ip4/0.0.0.0/tcp/9740`);
  }
}

function invalid(option: string, reason: string): NodeError {
  return new NodeError({ code: "option_invalid", fields: { option, reason } });
}
