import { afterAll, beforeAll, expect, it } from "vitest";
import type { MoodyToken } from "../../../src/chain/generated/test/tokens/MoodyToken.ts";
import { createCrypto } from "../../../src/crypto/index.ts";
import { verifyStatement } from "../../../src/node/books/verify.ts";
import { type Address, type ChannelId, ZERO_ADDRESS } from "../../../src/protocol/index.ts";
import { seededRandom } from "../../../src/store/random.ts";
import { deployContract } from "../../contracts/support/fixture.ts";
import { FUNDS, openFunded, openWorld, type TestNode, TOKENS, type World } from "../support/world.ts";

const seed = Number(process.env.RIVULET_SEED ?? Date.now() % 1_000_000);
const STEPS = Number(process.env.RIVULET_STEPS ?? 40);
const DEPOSIT = 10n ** 15n;
const TO = `0x${"5".repeat(40)}` as Address;
const crypto = await createCrypto();

let world: World;
let alice: TestNode;
let bob: TestNode;
let moody: MoodyToken;
/** What came into each node's account from outside, by token. */
const given = new Map<string, bigint>();

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node(), await world.node()];
  moody = (await deployContract(world.chain.account(0), "MoodyToken")) as MoodyToken;
  await (await moody.mint(alice.node.account, TOKENS)).wait();
  for (const { node } of [alice, bob]) {
    given.set(`${node.account}/${ZERO_ADDRESS}`, FUNDS);
    given.set(`${node.account}/${world.tokenAddress}`, TOKENS);
  }
  given.set(`${alice.node.account}/${await moodyAddress()}`, TOKENS);
}, 60_000);
afterAll(() => world?.stop());

const moodyAddress = async () => (await moody.getAddress()).toLowerCase() as Address;

/** Every account of every token sums to zero, and all that came from outside is what was given: nothing was left out. */
async function expectWhole(step: string): Promise<void> {
  for (const { node } of [alice, bob]) {
    await expect
      .poll(
        async () => {
          const balances = await node.books.trialBalance();
          return balances.map(({ token, accounts, balanced }) => ({
            token,
            balanced,
            sum: accounts.reduce((sum, { balance }) => sum + balance, 0n),
            external: -accounts.find(({ account }) => account === "equity:external")!.balance,
          }));
        },
        { timeout: 20_000, message: `${step} (RIVULET_SEED=${seed})` },
      )
      .toSatisfy((books: { token: Address; balanced: boolean; sum: bigint; external: bigint }[]) =>
        books.every(
          ({ token, balanced, sum, external }) =>
            balanced && sum === 0n && external === (given.get(`${node.account}/${token}`) ?? 0n),
        ),
      );
  }
}

it(`every operation and its gas are in the books, whatever became of it (RIVULET_SEED=${seed})`, async () => {
  const random = seededRandom(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  const open: { id: ChannelId; token: Address }[] = [];
  const done = new Set<string>();
  const steps: Readonly<Record<string, () => Promise<unknown>>> = {
    open: async () => {
      if (open.length >= 3) return;
      const token = random() < 0.5 ? ZERO_ADDRESS : world.tokenAddress;
      const { channelId } = await openFunded(alice, bob, DEPOSIT, token);
      await expect.poll(async () => (await bob.node.channel(channelId)).sendCapacity).toBe(DEPOSIT);
      open.push({ id: channelId, token });
    },
    pay: () => onOne((channelId) => alice.node.pay({ channelId, amount: BigInt(1 + below(1_000)) })),
    receive: () => onOne((channelId) => bob.node.pay({ channelId, amount: BigInt(1 + below(1_000)) })),
    deposit: () => onOne((id) => alice.node.deposit(id, BigInt(1 + below(1_000)))),
    withdraw: () => onOne((id) => bob.node.withdraw(id, BigInt(1 + below(1_000)))),
    close: () => onOne((id) => alice.node.close(id).then(() => void open.splice(0, 1)), 0),
    dispute: () =>
      onOne(async (id) => {
        const passing = setInterval(() => void world.pass(400), 1_000);
        await bob.node.close(id, { mode: "unilateral" }).finally(() => clearInterval(passing));
        await expect
          .poll(async () => (await alice.node.channel(id)).phase, { timeout: 20_000 })
          .toBe("settled");
        open.splice(0, 1);
      }, 0),
    send: () => alice.node.send({ to: TO, token: ZERO_ADDRESS, amount: BigInt(1 + below(1_000)) }),
    sendToken: () => bob.node.send({ to: TO, token: world.tokenAddress, amount: BigInt(1 + below(1_000)) }),
    revert: async () => {
      const token = await moodyAddress();
      await world.chain.provider.send("evm_setAutomine", [false]);
      const sending = alice.node.send(
        { to: TO, token, amount: 7n, force: true },
        { name: `revert ${below(2 ** 30)}` },
      );
      sending.catch(() => {});
      await expect
        .poll(async () =>
          BigInt(await world.chain.provider.send("eth_getBlockTransactionCountByNumber", ["pending"])),
        )
        .toBe(1n);
      // Before it in the block, since it pays more.
      const fee = 10n ** 12n;
      const told = await moody.setMood(1, {
        maxFeePerGas: fee,
        maxPriorityFeePerGas: fee,
        gasLimit: 100_000n,
      });
      await world.chain.provider.send("evm_setAutomine", [true]);
      await world.chain.provider.send("evm_mine", []);
      await told.wait();
      await expect(sending).rejects.toMatchObject({
        fields: { reason: expect.stringContaining("tx_reverted") },
      });
      await (await moody.setMood(0)).wait();
    },
  };
  const onOne = async (act: (id: ChannelId) => Promise<unknown>, at = below(Math.max(1, open.length))) => {
    const channel = open[at];
    if (channel !== undefined) await act(channel.id);
  };
  const names = Object.keys(steps);
  // Each at least once, then as they come.
  const order = [
    ...names,
    ...Array.from({ length: STEPS - names.length }, () => names[below(names.length)]!),
  ];
  for (const name of ["open", "open", ...order]) {
    await steps[name]!();
    done.add(name);
    await expectWhole(name);
  }
  expect(done.size).toBe(names.length);
  for (const { node } of [alice, bob]) {
    const report = await verifyStatement(node.books.statement("json", {}), { crypto });
    expect(report).toMatchObject({ valid: true, findings: [] });
  }
}, 180_000);
