import { createHardhatRuntimeEnvironment } from "hardhat/hre";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rivuletPlugin } from "../../src/dev/hardhat/index.ts";

type Runtime = Awaited<ReturnType<typeof createHardhatRuntimeEnvironment>>;
type Connection = Awaited<ReturnType<Runtime["network"]["create"]>>;

let hre: Runtime;
let connection: Connection;

beforeAll(async () => {
  hre = await createHardhatRuntimeEnvironment(
    {
      plugins: [rivuletPlugin],
      networks: {
        local: { type: "edr-simulated", chainType: "l1" },
        elsewhere: { type: "http", url: "http://127.0.0.1:9" },
      },
    },
    {},
    import.meta.dirname,
  );
  connection = await hre.network.create("local");
});

afterAll(() => connection?.close());

/** What a helper library does around each test. */
async function around<T>(action: () => Promise<T>): Promise<T> {
  const id = await connection.provider.request({ method: "evm_snapshot" });
  try {
    return await action();
  } finally {
    expect(await connection.provider.request({ method: "evm_revert", params: [id] })).toBe(true);
  }
}

describe("the plugin", () => {
  it("opens a channel, pays and settles on the connection's own chain", async () => {
    const started = performance.now();
    const { rivulet } = connection;
    const [reader, writer] = await rivulet.startNodes(2);
    const channel = await rivulet.openChannel(reader, writer, { deposit: 1_000n });
    await channel.pay(30n);
    expect((await channel.settle()).paidOut).toEqual([970n, 30n]);
    expect(performance.now() - started).toBeLessThan(6_000);
    const at = [rivulet.contracts.escrow, "latest"];
    expect(await connection.provider.request({ method: "eth_getCode", params: at })).not.toBe("0x");
  });

  it("takes nodes along when a library takes the chain back", async () => {
    const [reader, writer] = connection.rivulet.nodes;
    const channel = await connection.rivulet.openChannel(reader!, writer!, { deposit: 50n });
    await around(async () => {
      await channel.pay(50n);
      await channel.settle();
      expect((await channel.info()).phase).toBe("settled");
    });
    expect(await channel.info()).toMatchObject({ phase: "open", sent: 0n });
    await around(async () => {
      await channel.pay(20n);
      expect((await channel.settle({ mode: "unilateral" })).paidOut).toEqual([30n, 20n]);
    });
    expect(await channel.info(writer)).toMatchObject({ phase: "open", received: 0n });
  });

  it("leaves calls that mean nothing to it as they are", async () => {
    const { provider } = connection;
    expect(await provider.request({ method: "evm_revert", params: ["0x7777"] })).toBe(false);
    await expect(provider.request({ method: "no_such" })).rejects.toThrow();
    expect(Number(await provider.request({ method: "eth_chainId" }))).toBe(31_337);
  });

  it("gives each connection a network of its own", async () => {
    const other = await hre.network.create("local");
    try {
      expect(other.rivulet.nodes).toEqual([]);
      const node = await other.rivulet.startNode();
      expect(node.name).toBe(connection.rivulet.nodes[0]!.name);
      expect(await other.rivulet.rpcUrl()).not.toBe(await connection.rivulet.rpcUrl());
    } finally {
      await other.close();
    }
  });

  it("touches no chain that is not simulated", async () => {
    const real = await hre.network.create("elsewhere");
    try {
      await expect(real.rivulet.startNode()).rejects.toMatchObject({ code: "chain_unsuited" });
    } finally {
      await real.close();
    }
  });
});
