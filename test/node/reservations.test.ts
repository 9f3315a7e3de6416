import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { RivuletNode } from "../../src/node/index.ts";
import { Reservations } from "../../src/node/reservations.ts";
import { type Address, type ChannelId, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { FUNDS, openFunded, openWorld, type TestNode, TOKENS, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;
let world: World;
let addresses = 0;

beforeAll(async () => {
  world = await openWorld();
}, 60_000);
afterEach(() => mining(true));
afterAll(() => world?.stop());

const mining = async (on: boolean) => {
  await world.chain.provider.send("evm_setAutomine", [on]);
  if (on) await world.pass(1);
};
const somebody = () => `0x${(++addresses).toString(16).padStart(40, "7")}` as Address;
const transactionsOf = ({ account }: RivuletNode) =>
  world.chain.provider.getTransactionCount(account, "pending");
const percent = (share: bigint, of = TOKENS) => (of * share) / 100n;

/** Why it was refused, or what it became. */
const tried = <T>(promise: Promise<T>) =>
  promise.catch(({ code, fields }: { code?: string; fields?: object }) => ({ code, fields }));

const send = ({ node }: TestNode, amount: bigint, to = somebody(), token = world.tokenAddress) =>
  node.send({ to, token, amount });

/** Resolves once the promise's transaction is with the chain, unmined; what is begun is not awaited. */
function left(
  begin: (onProgress: (p: object) => void) => Promise<unknown>,
): Promise<{ over: Promise<unknown> }> {
  return new Promise((resolve, reject) => {
    const over = begin((told) => {
      const { step, progress } = told as { step: string; progress?: { stage: string } };
      if (step !== "approve" && progress?.stage === "sent") resolve({ over });
    });
    over.catch(reject);
  });
}

describe.each([
  ["a token", () => world.tokenAddress, TOKENS],
  ["the coin", () => ZERO_ADDRESS, FUNDS],
])("two sends of %s that together are more than there is", (_what, tokenOf, all) => {
  it("are one send and one refusal at once, without a transaction; then the rest can go", async () => {
    const alice = await world.node();
    const token = tokenOf();
    await mining(false);
    const to = somebody();
    const sends = [1, 2].map(() => tried(send(alice, percent(60n, all), to, token)));
    const refused = await Promise.race(sends);
    expect(refused).toMatchObject({
      code: "wallet_insufficient",
      fields: { token, need: percent(60n, all), have: percent(40n, all), reserved: percent(60n, all) },
    });
    await mining(true);
    expect((await Promise.all(sends)).filter((one) => "amount" in one)).toHaveLength(1);
    expect(await transactionsOf(alice.node)).toBe(1);
    const rest = await send(alice, percent(39n, all), to, token);
    expect(rest.amount).toBe(percent(39n, all));
    expect(await world.balance(token, to)).toBe(percent(99n, all));
  }, 60_000);
});

describe("a deposit and a send of one token", () => {
  let alice: TestNode;
  let bob: TestNode;
  let channelId: ChannelId;
  beforeAll(async () => {
    [alice, bob] = [await world.node(), await world.node()];
    ({ channelId } = await openFunded(alice, bob, DEPOSIT, world.tokenAddress));
  }, 60_000);

  const holds = () => world.balance(world.tokenAddress, alice.node.account);

  it("do not take the same money, whichever comes first", async () => {
    const most = percent(60n, await holds());
    const reserved = { code: "wallet_insufficient", fields: { need: most, reserved: most } };
    const before = await transactionsOf(alice.node);
    await mining(false);
    const { over } = await left((onProgress) =>
      alice.node.send({ to: somebody(), token: world.tokenAddress, amount: most }, { onProgress }),
    );
    expect(await tried(alice.node.deposit(channelId, most))).toMatchObject(reserved);
    await mining(true);
    await over;
    // Not even an approval.
    expect(await transactionsOf(alice.node)).toBe(before + 1);
    const rest = percent(60n, await holds());
    await mining(false);
    // Its approval waits for a block, so that the deposit itself is not with the chain yet.
    const deposited = alice.node.deposit(channelId, rest);
    await expect.poll(() => transactionsOf(alice.node)).toBe(before + 2);
    expect(await tried(send(alice, rest))).toMatchObject({
      code: "wallet_insufficient",
      fields: { need: rest, reserved: rest },
    });
    await mining(true);
    await deposited;
    const amount = await holds();
    expect(await send(alice, amount)).toMatchObject({ amount });
    expect(await holds()).toBe(0n);
  }, 60_000);
});

it("keeps an opening that cannot be paid from its peer, and what one has left is free at once", async () => {
  const [alice, bob] = [await world.node(), await world.node()];
  const open = (deposit: bigint, onStep = (_: string) => {}) =>
    tried(
      alice.node.openChannel({
        peer: bob.node.addresses[0]!,
        token: world.tokenAddress,
        deposit,
        onProgress: ({ step }) => onStep(step),
      }),
    );
  await mining(false);
  const accepted = Promise.withResolvers<void>();
  let sent: Promise<unknown> | undefined;
  const first = open(percent(60n), (step) => {
    if (step === "accepted") accepted.resolve();
    // The deposit is over, the opening is not.
    if (step === "crediting") sent = tried(send(alice, percent(20n)));
  });
  await accepted.promise;
  const steps: string[] = [];
  expect(await open(percent(60n), (step) => void steps.push(step))).toMatchObject({
    code: "wallet_insufficient",
    fields: { have: percent(40n), reserved: percent(60n) },
  });
  expect(steps).not.toContain("proposed");
  await mining(true);
  expect(await first).toHaveProperty("channelId");
  expect(await sent).toMatchObject({ amount: percent(20n) });
  expect(await open(percent(20n))).toHaveProperty("channelId");
}, 60_000);

it("reads the balance again where a transaction ended meanwhile: it may be in it or not", async () => {
  const gone = { id: "gone", to: somebody(), data: "0x" as const, value: 60n };
  let unmined = [gone];
  const balances = [100n, 40n];
  const balance = async () => {
    const read = balances.shift();
    unmined = [];
    return read;
  };
  const chain = { eth: { balance }, pending: () => [], unmined: () => unmined };
  const owed = { get: () => unmined.reduce((sum, { value }) => sum + value, 0n) };
  Object.defineProperty(chain, "owed", owed);
  const reservations = new Reservations({ chain, account: somebody(), escrow: {} } as never);
  const { signal } = new AbortController();
  expect(await reservations.free(ZERO_ADDRESS, signal)).toEqual({ free: 40n, reserved: 0n });
});

it("promises money once where the balance is told to two in one turn", async () => {
  const told = Promise.withResolvers<bigint>();
  const chain = { eth: { balance: () => told.promise }, pending: () => [], unmined: () => [], owed: 0n };
  const reservations = new Reservations({ chain, account: somebody(), escrow: {} } as never);
  const { signal } = new AbortController();
  const taken = ["rent", "wages"].map((id) => tried(reservations.take(id, ZERO_ADDRESS, 60n, signal)));
  told.resolve(100n);
  const [first, second] = await Promise.all(taken);
  expect(first).toBeTypeOf("function");
  expect(second).toMatchObject({ code: "wallet_insufficient", fields: { have: 40n, reserved: 60n } });
});

describe("a restart", () => {
  it("reserves what was signed until it is over, and no longer", async () => {
    const alice = await world.node();
    const order = { to: somebody(), token: world.tokenAddress, amount: percent(60n) };
    await mining(false);
    const { over } = await left((onProgress) => alice.node.send(order, { name: "rent", onProgress }));
    over.catch(() => {});
    await alice.node.stop();
    await alice.restart();
    expect(await tried(send(alice, percent(60n)))).toMatchObject({
      code: "wallet_insufficient",
      fields: { reserved: percent(60n) },
    });
    // The same again is the same.
    const again = alice.node.send(order, { name: "rent" });
    await mining(true);
    await again;
    await send(alice, percent(40n));
    expect(await world.balance(world.tokenAddress, order.to)).toBe(percent(60n));
  }, 60_000);

  it("reserves nothing for what was never signed", async () => {
    const alice = await world.node();
    const order = { to: somebody(), token: world.tokenAddress, amount: percent(60n) };
    const admitting = Promise.withResolvers<never>();
    admitting.promise.catch(() => {});
    const waiting = tried(alice.node.send(order, { name: "rent", admit: () => admitting.promise }));
    await expect
      .poll(
        async () =>
          "code" in
          (await tried(
            alice.node.openChannel({
              peer: alice.node.addresses[0]!,
              token: world.tokenAddress,
              deposit: percent(60n),
            }),
          )),
      )
      .toBe(true);
    await alice.node.stop();
    await alice.restart();
    expect(await send(alice, percent(100n))).toMatchObject({ amount: percent(100n) });
    admitting.reject(new Error("the test is over"));
    await waiting;
  }, 60_000);

  it("gives back what a refused one had reserved", async () => {
    const alice = await world.node();
    const admit = () => Promise.reject(Object.assign(new Error("no"), { code: "spending_frozen" }));
    const order = { to: somebody(), token: world.tokenAddress, amount: percent(60n) };
    expect(await tried(alice.node.send(order, { admit }))).toMatchObject({ code: "spending_frozen" });
    expect(await send(alice, percent(100n))).toMatchObject({ amount: percent(100n) });
  }, 60_000);
});
