import { soon, startHost } from "./harness.ts";

/**
 * A host in a process of its own: answers every message with itself. Arguments: index, listen address, and the
 * address of a host to connect to, if any.
 */
const [index, listen, peer] = process.argv.slice(2);
const host = await startHost(Number(index), {
  listen: [listen!],
  onMessages: (session, messages) => {
    for (const message of messages) session.send(message);
  },
});
if (peer !== undefined) await host.host.connect(peer, soon());
console.log(host.address);
