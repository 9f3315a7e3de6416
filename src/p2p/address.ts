import { peerIdFromString } from "@libp2p/peer-id";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { PeerError, reasonOf } from "./error.ts";

/** A multiaddr and the peer id it ends in. Throws `PeerError` `address_invalid`. */
export function parseAddress(address: string): { target: Multiaddr; peerId: string } {
  try {
    const target = multiaddr(address);
    const id = target.getComponents().findLast(({ name }) => name === "p2p")?.value;
    if (id === undefined) throw new Error("no /p2p/ part");
    return { target, peerId: peerIdFromString(id).toString() };
  } catch (cause) {
    throw new PeerError("address_invalid", { address, reason: reasonOf(cause) }, { cause });
  }
}
