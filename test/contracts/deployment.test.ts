import { readFile, rm } from "node:fs/promises";
import hre from "hardhat";
import { afterAll, describe, expect, it } from "vitest";
import ChannelEscrowModule from "../../ignition/modules/ChannelEscrow.ts";
import { startAnvil } from "./support/testChain.ts";

/** Ignition's journal of a chain that lives only as long as this test. */
const DEPLOYMENT_ID = `test-${process.pid}`;
const JOURNAL = new URL(`../../ignition/deployments/${DEPLOYMENT_ID}/`, import.meta.url);
const stops: (() => Promise<void>)[] = [() => rm(JOURNAL, { recursive: true, force: true })];

afterAll(async () => {
  for (const stop of stops) {
    await stop();
  }
});

/** Deploys by Ignition's create2 strategy, as docs tell an operator to, and returns the escrow's address. */
async function deployOn(connection: Awaited<ReturnType<typeof hre.network.create>>): Promise<string> {
  stops.push(() => connection.close());
  const options = { strategy: "create2", deploymentId: DEPLOYMENT_ID } as const;
  const { escrow } = await connection.ignition.deploy(ChannelEscrowModule, options);
  expect(await escrow.MAX_LOCKS!()).toBe(64n);
  return escrow.getAddress();
}

describe("deployment by Ignition", () => {
  it("gives the escrow one address on every chain, whoever deploys first", async () => {
    const onHardhat = await deployOn(await hre.network.create());
    const anvil = await startAnvil();
    stops.push(() => anvil.stop());
    // Another first transaction, so that an address counted from the sender's nonce would differ.
    const sender = anvil.account(0);
    await (await sender.sendTransaction({ to: sender.address, value: 1n })).wait();
    const onAnvil = await deployOn(
      await hre.network.create({ network: "local", override: { url: anvil.url } }),
    );
    expect(onAnvil).toBe(onHardhat);
    const recorded = JSON.parse(await readFile(new URL("deployed_addresses.json", JOURNAL), "utf8"));
    expect(recorded).toEqual({ "ChannelEscrowModule#ChannelEscrow": onAnvil });
  }, 60_000);
});
