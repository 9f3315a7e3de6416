import { startHost } from "./harness.ts";

/** A host in a process of its own: answers every message with itself. Arguments: index, listen address. */
const [index, listen] = process.argv.slice(2);
const host = await startHost(Number(index), {
  listen: [listen!],
  onMessages: (session, messages) => {
    for (const message of messages) session.send(message);
  },
});
console.log(host.address);
