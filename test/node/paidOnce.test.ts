import { describe, expect, it } from "vitest";
import { indexOps } from "../../src/node/channel/paymentIds.ts";
import { NodeError } from "../../src/node/error.ts";
import { PaidOnce } from "../../src/node/paidOnce.ts";
import { packTransfers } from "../../src/protocol/index.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";
import { nextPaymentId, openPair, sent } from "../protocol/support/channel.ts";
import { settle } from "./channel/fakes.ts";

describe("payments with ids that fail together", () => {
  it("reject once, and leave no rejection to nobody", async () => {
    const [payer] = openPair();
    const [known, fresh] = [nextPaymentId(), nextPaymentId()];
    const ops: { key: Uint8Array; value: Uint8Array }[] = [];
    const entries = packTransfers([{ paymentId: known, amount: 5n, applicationId: true, refund: false }]);
    indexOps(payer.idBytes, { ...sent(payer, 5n).update, entries }, ops as never);
    const store = new MemoryStore();
    await store.write(
      ops.map(({ key, value }) => ({ type: "put", key, value })),
      { sync: true },
    );
    const stopped = () => Promise.reject(new NodeError({ code: "node_stopped", fields: {} }));
    const mailbox = { state: payer, channelId: payer.id, payer: { payMany: stopped, acknowledged: stopped } };
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const paying = new PaidOnce(store).payMany(mailbox as never, [
      { amount: 5n, id: known },
      { amount: 6n, id: fresh },
    ]);
    await expect(paying).rejects.toMatchObject({ code: "node_stopped" });
    await settle();
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});
