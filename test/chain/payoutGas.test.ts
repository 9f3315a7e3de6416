import { ZeroAddress } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NATIVE_PAYOUT_GAS, NO_SIGNATURE, TOKEN_PAYOUT_GAS } from "../../src/chain/escrow.ts";
import type { Call } from "../../src/chain/eth.ts";
import type { TestToken } from "../../src/chain/generated/test/TestToken.ts";
import { simulate } from "../../src/chain/simulate.ts";
import type { Address } from "../../src/protocol/address.ts";
import { fromHex } from "../../src/protocol/bytes.ts";
import { type Channel, type ChannelId, channelIdOf } from "../../src/protocol/channel.ts";
import { NO_PROOF } from "../../src/protocol/proof.ts";
import { CHAIN_ID, deployContract } from "../contracts/support/fixture.ts";
import { startAnvil } from "../contracts/support/testChain.ts";
import { openWorld, perform, signal, type World } from "./support/world.ts";

/** Moods of the test contracts in which a transfer or a receiver works, and takes all gas it is given. */
const KIND = 0;
const BURNS_GAS = 3;

const DEADLINE = 2n ** 40n;
const DEPOSIT = 1_000n;

interface Moody {
  setMood(mood: number): Promise<{ wait(): Promise<unknown> }>;
}

let world: World;
let token: TestToken & Moody;
let tokenAddress: Address;

beforeAll(async () => {
  world = await openWorld(startAnvil);
  token = await deployContract<TestToken & Moody>(world.chain.account(0), "MoodyToken");
  tokenAddress = (await token.getAddress()).toLowerCase() as Address;
  for (const { account } of world.fixture.sides) {
    await (await token.mint(account.address, 100n * DEPOSIT)).wait();
    await (await token.connect(account).approve(world.escrow.address, 100n * DEPOSIT)).wait();
  }
}, 60_000);

afterAll(() => world.stop());

/** A channel in the moody token that both sides have deposited in. */
async function openFunded(): Promise<{ readonly channel: Channel; readonly id: ChannelId }> {
  await (await token.setMood(KIND)).wait();
  const channel = { ...world.channel().channel, token: tokenAddress };
  for (const { account } of world.fixture.sides) {
    const participant = account.address.toLowerCase() as Address;
    await perform(account, world.escrow.deposit(channel, participant, DEPOSIT));
  }
  const id = channelIdOf(channel, CHAIN_ID, world.escrow.address, world.crypto.keccak256);
  return { channel, id };
}

/** Sends a call with the limit of its simulation, after the token has turned bad. */
async function sendAfterTheTokenTurned(call: Call): Promise<void> {
  const { account } = world.fixture.sides[0];
  const simulated = await simulate(account.address.toLowerCase() as Address, call, world.eth, { signal });
  if (!simulated.ok) throw new Error(simulated.code);
  await (await token.setMood(BURNS_GAS)).wait();
  const { to, data } = call;
  const sent = await account.sendTransaction({ to, data, gasLimit: simulated.gasLimit });
  await sent.wait();
}

const owed = (account: string) =>
  world.escrow.payoutOf(tokenAddress, account.toLowerCase() as Address, "latest", { signal });

describe("a payout whose token takes all the gas it is given, and took little when the call was simulated", () => {
  it.each([["settle"], ["closeCooperatively"]])("leaves enough for the rest of %s", async (name) => {
    const { channel, id } = await openFunded();
    const [first, second] = world.fixture.sides;
    const before = await owed(first.account.address);
    if (name === "settle") {
      const intent = { deadline: 0n, closeSignature: NO_SIGNATURE };
      const nothing = { proof: NO_PROOF, signature: NO_SIGNATURE, endorsement: NO_SIGNATURE, locks: [] };
      const closer = first.account.address.toLowerCase() as Address;
      await perform(first.account, world.escrow.startClose(channel, closer, intent, nothing));
      await world.chain.mineAt((await world.chain.time()) + channel.challengePeriod + 1);
      await sendAfterTheTokenTurned(world.escrow.settle(channel));
    } else {
      const message = { channelId: id, transferred0: 0n, transferred1: 0n, deadline: DEADLINE };
      const sign = async ({ signer }: { signer: typeof first.signer }) =>
        fromHex((await world.fixture.sign(signer, "CooperativeClose", message)) as `0x${string}`);
      const signatures = [await sign(first), await sign(second)] as const;
      await sendAfterTheTokenTurned(world.escrow.closeCooperatively(channel, [0n, 0n], DEADLINE, signatures));
    }
    expect((await world.escrow.channelState(id, "latest", { signal })).status).toBe("settled");
    expect((await owed(first.account.address)) - before).toBe(DEPOSIT);
  });

  it("takes the allowances from the contract", async () => {
    const { escrow } = world.fixture;
    expect([NATIVE_PAYOUT_GAS, TOKEN_PAYOUT_GAS]).toEqual([
      await escrow.NATIVE_PAYOUT_GAS(),
      await escrow.TOKEN_PAYOUT_GAS(),
    ]);
    const { channel } = world.channel();
    expect(world.escrow.settle({ ...channel, token: ZeroAddress as Address }).spareGas).toBe(
      NATIVE_PAYOUT_GAS,
    );
  });
});
