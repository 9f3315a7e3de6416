import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createNode, restoreBackup } from "../../src/node/index.ts";
import type { SendOrder } from "../../src/node/sends/sendOrder.ts";
import { type Address, ZERO_ADDRESS } from "../../src/protocol/index.ts";
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
