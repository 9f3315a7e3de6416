import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createNode, restoreBackup } from "../../src/node/index.ts";
import type { SendOrder } from "../../src/node/sends/sendOrder.ts";
import { type Address, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { FaultProxy, first, on } from "../chain/support/faultProxy.ts";
import { openWorld, type TestNode, type World } from "./support/world.ts";

const TO = `0x${"5".repeat(40)}` as Address;
const ORDER: SendOrder = { to: TO, token: ZERO_ADDRESS, amount: 77n };
let world: World;
beforeAll(async () => {
  world = await openWorld();
}, 60_000);
afterAll(() => world?.stop());

const mining = (on: boolean) => world.chain.provider.send("evm_setAutomine", [on]);

async function* again(pieces: readonly Uint8Array[]) {
  yield* pieces;
}

/** Begins a send and resolves once its transaction has left. */
function signed({ node }: TestNode, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onProgress = ({ progress }: { progress?: { stage: string } | undefined }) => {
      if (progress?.stage === "sent") resolve();
    };
    // The node is stopped before it is mined.
    node.send(ORDER, { name, onProgress }).catch(reject);
  });
}

it("is not sent again by a node that was restored from before it was mined", async () => {
  const alice = await world.node();
  await mining(false);
  await signed(alice, "rent");
  const pieces: Uint8Array[] = [];
  for await (const piece of alice.node.backup.stream({ password: "of the file" })) pieces.push(piece);
  await alice.node.stop();
  const directory = join(alice.options.directory, "..", "restored");
  await restoreBackup({ file: again(pieces), password: "of the file", directory, oldNodeIsGone: true });
  const restored = await createNode({ ...alice.options, directory });
  await expect(restored.send(ORDER, { name: "rent" })).rejects.toMatchObject({ code: "send_uncertain" });
  await mining(true);
  await world.pass(1);
  await expect(restored.send(ORDER, { name: "rent" })).rejects.toMatchObject({ code: "send_uncertain" });
  expect(await world.balance(ZERO_ADDRESS, TO)).toBe(77n);
  const other = { ...ORDER, amount: 78n };
  await expect(restored.send(other, { name: "rent" })).rejects.toMatchObject({ code: "option_invalid" });
  await restored.stop();
}, 60_000);

it("leaves in the order in which it was asked for, though what is asked for later is planned sooner", async () => {
  const proxy = await new FaultProxy(world.chain.provider._getConnection().url).start();
  const { node } = await world.node({ rpcUrl: proxy.url });
  try {
    const slow = { kind: "delay", ms: 300 } as const;
    proxy.rules = [
      first(
        1,
        on("eth_getBalance", () => slow),
      ),
    ];
    const nonceOf = async () => {
      const { transaction } = await node.send(ORDER, {});
      return (await world.chain.provider.getTransaction(transaction))!.nonce;
    };
    const [earlier, later] = await Promise.all([nonceOf(), nonceOf()]);
    expect(later).toBe(earlier + 1);
  } finally {
    await proxy.stop();
  }
}, 60_000);

it("is not signed any more once the brake was pulled, or its spender has ended, while the chain was away", async () => {
  const proxy = await new FaultProxy(world.chain.provider._getConnection().url).start();
  const { node } = await world.node({ rpcUrl: proxy.url });
  const to = `0x${"6".repeat(40)}` as Address;
  let hasEnded = false;
  const assertLive = () => {
    if (hasEnded) throw Object.assign(new Error("ended"), { code: "unauthenticated" });
  };
  const spender = { id: "thief", budgets: [{ token: ZERO_ADDRESS, total: 77n }], assertLive };
  /** Admitted in the last moment in which the chain answers. */
  const send = () => {
    const admit = async (amount: bigint) => {
      const held = await node.spending.admit(spender, { peer: to, token: ZERO_ADDRESS, amount });
      proxy.rules = [() => ({ kind: "cut" })];
      return held;
    };
    return node.send({ ...ORDER, to }, { admit }).catch((error: { code?: string }) => error.code);
  };
  const waits = () => expect.poll(() => proxy.rules.length).toBe(1);
  const spent = async () => (await node.spending.spentBy(spender, ZERO_ADDRESS)).total;
  try {
    const frozen = send();
    await waits();
    expect(await spent()).toBe(77n);
    await node.spending.freeze("a thief sends");
    proxy.reset();
    expect(await frozen).toBe("spending_frozen");
    await node.spending.unfreeze();
    const revoked = send();
    await waits();
    hasEnded = true;
    proxy.reset();
    expect(await revoked).toBe("unauthenticated");
    expect([await spent(), await world.balance(ZERO_ADDRESS, to)]).toEqual([0n, 0n]);
    hasEnded = false;
    expect(await node.send({ ...ORDER, to }, {})).toMatchObject({ amount: 77n });
  } finally {
    await proxy.stop();
  }
}, 60_000);
