import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { BlockingToken } from "../../../src/chain/generated/test/tokens/BlockingToken.ts";
import { createCrypto, deriveKeys } from "../../../src/crypto/index.ts";
import { askChain } from "../../../src/node/books/chainEvidence.ts";
import { jsonStatement } from "../../../src/node/books/jsonStatement.ts";
import type {
  PayoutRecord,
  StatementFilter,
  StatementRecord,
} from "../../../src/node/books/statementRecord.ts";
import { TotalsByToken } from "../../../src/node/books/totals.ts";
import { type AskChain, verifyStatement } from "../../../src/node/books/verify.ts";
import { type Address, Digests, type LedgerPorts } from "../../../src/protocol/index.ts";
import { deployContract } from "../../contracts/support/fixture.ts";
import { openFunded, openWorld, type TestNode, TOKENS, type World } from "../support/world.ts";

const DEPOSIT = 10n ** 15n;
const HOURS = 3_600_000;
const ELSEWHERE = `0x${"7".repeat(40)}` as Address;
const crypto = await createCrypto();

let world: World;
let alice: TestNode;
let bob: TestNode;
let token: Address;
let chain: AskChain;

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node(), await world.node()];
  const blocking = (await deployContract(world.chain.account(0), "BlockingToken")) as BlockingToken;
  token = (await blocking.getAddress()).toLowerCase() as Address;
  for (const { node } of [alice, bob]) await (await blocking.mint(node.account, TOKENS)).wait();
  const { channelId } = await openFunded(alice, bob, DEPOSIT, token);
  await vi.waitUntil(async () => (await alice.node.channel(channelId)).sendCapacity === DEPOSIT, 10_000);
  await (await blocking.setBlocked(alice.node.account, true)).wait();
  await alice.node.withdraw(channelId, 400n);
  await vi.waitUntil(() => alice.node.waitingPayouts().length === 1, 10_000);
  await alice.node.withdrawPayout({ token, to: ELSEWHERE });
  await alice.node.close(channelId);
  await vi.waitUntil(async () => (await payouts(alice)).length === 3, 10_000);
  chain = await askChain({
    rpcUrl: world.chain.provider._getConnection().url,
    chainId: 31337n,
    escrow: world.escrowAddress,
    signal: AbortSignal.timeout(30_000),
  });
}, 60_000);
afterAll(() => world?.stop());

async function recordsOf({ node }: TestNode, filter: StatementFilter = {}): Promise<StatementRecord[]> {
  let text = "";
  for await (const piece of node.books.statement("json", filter)) text += piece;
  return (JSON.parse(text) as { records: StatementRecord[] }).records;
}

const isPayout = (record: StatementRecord): record is PayoutRecord => record.type === "payout";
const payouts = async (node: TestNode) => (await recordsOf(node)).filter(isPayout);

/** Sums and seal made anew by the node itself, which has the key and may say that it was made when it likes. */
function sealed(records: readonly StatementRecord[], of: TestNode, madeAt: number): AsyncGenerator<string> {
  const ports = {
    crypto,
    digests: new Digests(31337n, world.escrowAddress, crypto.keccak256),
    signerKey: deriveKeys(of.options.mnemonic).signer,
  } as LedgerPorts;
  const sums = new TotalsByToken();
  for (const record of records.filter(isPayout)) {
    sums.of(record.token)[record.kind] += BigInt(record.amount);
  }
  const lines = records.flatMap((record): StatementRecord[] => {
    if (record.type === "end") return [];
    if (record.type === "node") return [{ ...record, madeAt }];
    if (record.type !== "totals") return [record];
    const { credited: _, fetched: __, ...rest } = record;
    const { credited, fetched } = sums.of(record.token);
    const kept = {
      ...(credited > 0n && { credited: `${credited}` }),
      ...(fetched > 0n && { fetched: `${fetched}` }),
    };
    return [{ ...rest, ...kept }];
  });
  return jsonStatement(
    (async function* () {
      yield* lines;
    })(),
    ports,
  );
}

const later = () => Date.now() + 2 * HOURS;

async function findings(
  records: readonly StatementRecord[],
  {
    of = alice,
    madeAt = later(),
    asked = chain,
  }: { of?: TestNode; madeAt?: number; asked?: AskChain | undefined } = {},
) {
  const report = await verifyStatement(sealed(records, of, madeAt), { crypto, chain: asked });
  return report.findings.map(({ code, message }) => `${code}: ${message}`);
}

/** The whole statement with its n-th payout changed, or without it. */
async function changed(which: number, change?: object): Promise<StatementRecord[]> {
  let at = 0;
  return (await recordsOf(alice)).flatMap((record) => {
    if (!isPayout(record) || at++ !== which) return [record];
    return change === undefined ? [] : [{ ...record, ...change }];
  });
}

describe("payouts of a statement, against the chain", () => {
  it("hold as they are: at once and later, of both sides, of one token, of one peer", async () => {
    expect((await payouts(alice)).map(({ kind, amount }) => [kind, amount])).toEqual([
      ["credited", "400"],
      ["fetched", "400"],
      ["credited", `${DEPOSIT - 400n}`],
    ]);
    for (const madeAt of [Date.now(), later()]) {
      expect(await findings(await recordsOf(alice), { madeAt })).toEqual([]);
      expect(await findings(await recordsOf(bob), { of: bob, madeAt })).toEqual([]);
    }
    for (const filter of [
      { token },
      { token: world.tokenAddress },
      { peer: bob.node.signer },
      { label: "none" },
    ]) {
      expect(await findings(await recordsOf(alice, filter))).toEqual([]);
    }
  });

  it("are found missing, each of them", async () => {
    const kinds = ["credited", "fetched", "credited"];
    for (const [which, kind] of kinds.entries()) {
      const [{ transaction }] = [(await payouts(alice))[which]!];
      const forged = await changed(which);
      const found = await findings(forged);
      expect(found).toEqual([
        expect.stringContaining(`chain_mismatch: the chain shows a payout ${kind} in ${transaction}`),
      ]);
      expect(await verifyStatement(sealed(forged, alice, later()), { crypto })).toMatchObject({
        valid: true,
      });
    }
    const none = (await recordsOf(alice)).filter((record) => !isPayout(record));
    expect(await findings(none)).toHaveLength(3);
  });

  it.each([
    ["more than was kept", 0, { amount: "401" }],
    ["another token's", 0, { token: ELSEWHERE }],
    ["another channel's", 0, { channelId: `0x${"1".repeat(64)}` }],
    ["another transaction's", 2, { transaction: `0x${"2".repeat(64)}` }],
    ["fetched to somebody else", 1, { to: `0x${"8".repeat(40)}` }],
  ])("are found made up: %s", async (_name, which, change) => {
    const found = await findings(await changed(which, change));
    expect(found).toContainEqual(expect.stringContaining("the chain shows no such payout"));
    expect(found).toContainEqual(expect.stringContaining("that is not listed"));
  });

  it("are found listed twice", async () => {
    const records = await recordsOf(alice);
    const at = records.findIndex(isPayout);
    expect(await findings(records.toSpliced(at, 0, records[at]!))).toEqual([
      expect.stringContaining("or it is listed twice"),
    ]);
  });

  it("are not awaited in a period in which they may not have been noted yet, or were noted before", async () => {
    const now = Date.now();
    const without = async (filter: StatementFilter) =>
      (await recordsOf(alice, filter)).filter((record) => !isPayout(record));
    expect(await findings(await without({ to: now + 60_000 }))).toEqual([]);
    expect(await findings(await without({ from: now - HOURS / 2 }))).toEqual([]);
    expect(await findings(await without({ from: now - 2 * HOURS, to: now + 2 * HOURS }))).toHaveLength(3);
  });
});
