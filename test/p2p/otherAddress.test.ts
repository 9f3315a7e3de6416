import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { SharedTasks } from "../../src/p2p/shared.ts";
import { soon, startHost, stopHosts, until } from "./harness.ts";

let trap: Server | undefined;
const caught = new Set<Socket>();

afterEach(async () => {
  for (const socket of caught) socket.destroy();
  caught.clear();
  await new Promise((resolve) => (trap === undefined ? resolve(undefined) : trap.close(resolve)));
  trap = undefined;
  await stopHosts();
});

/** Where `address` used to be: something takes the connection there and says nothing. */
async function formerly(address: string): Promise<string> {
  trap = createServer((socket) => {
    caught.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => trap!.listen(0, "127.0.0.1", resolve));
  const { port } = trap.address() as { port: number };
  return address.replace(/tcp\/[0-9]+/, `tcp/${port}`);
}

describe("a peer that is asked for at another address than one it is being dialled at", () => {
  it("is tried there as well when that one fails, by everybody who asks", async () => {
    const [a, b] = [await startHost(1), await startHost(2)];
    const old = await formerly(b.address);
    const atOld = a.host.connect(old, soon()).catch((error: unknown) => error);
    await until("the old address being dialled", () => caught.size === 1);
    const asking = [1, 2, 3].map(() => a.host.connect(b.address, soon()));
    for (const socket of caught) socket.destroy();
    const sessions = await Promise.all(asking);
    expect(new Set(sessions).size).toBe(1);
    expect(sessions[0]!.remote.peerId).toBe(b.host.peerId);
    await atOld;
    expect([a.opened.length, b.opened.length]).toEqual([1, 1]);
    expect(a.closed).toEqual([]);
  });

  it("fails with the failure of its own address when none works", async () => {
    const [a, b] = [await startHost(1), await startHost(2)];
    const old = await formerly(b.address);
    const gone = b.address;
    await b.host.stop();
    const atOld = a.host.connect(old, soon()).catch((error: unknown) => error);
    await until("the old address being dialled", () => caught.size === 1);
    const atGone = a.host.connect(gone, soon());
    for (const socket of caught) socket.destroy();
    await expect(atGone).rejects.toMatchObject({
      code: "dial_failed",
      message: expect.stringMatching(/refused/i),
    });
    expect(await atOld).toMatchObject({ code: "dial_failed" });
  });
});

describe("a shared task", () => {
  it("that has ended is begun anew by whoever asks next, though others have not heard of its end yet", async () => {
    const tasks = new SharedTasks<number>();
    const signal = new AbortController().signal;
    let begun = 0;
    const task = async () => {
      begun++;
      throw new Error("no");
    };
    const again = async () => {
      await tasks.run("key", "one", signal, task).catch(() => {});
      await tasks.run("key", "one", signal, task).catch(() => {});
    };
    await Promise.all([again(), again(), again()]);
    expect(begun).toBe(2);
    expect(tasks.begunBy("key")).toBeUndefined();
  });
});
