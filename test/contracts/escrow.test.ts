import {
  AbiCoder,
  type ContractTransactionResponse,
  keccak256,
  Signature,
  toBeHex,
  type Wallet,
} from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Receiver } from "../../src/chain/generated/test/support/Accounts.sol/Receiver.ts";
import {
  CHAIN_ID,
  CHALLENGE_PERIOD,
  DEADLINE,
  deployContract,
  deployFixture,
  type Fixture,
  NATIVE,
  proofOf,
} from "./support/fixture.ts";
import { type ChannelTerms, hashLock, type Lock, NO_PROOF } from "./support/messages.ts";
import { startAnvil, startHardhat, type TestChain } from "./support/testChain.ts";

const OPEN = 1n;
const CLOSING = 2n;
const SETTLED = 3n;
const START_MS = 60_000;

/** Waits for a transaction and returns what it cost its sender in native coin. */
async function mined(sent: Promise<ContractTransactionResponse>): Promise<bigint> {
  const receipt = await (await sent).wait();
  expect(receipt?.status).toBe(1);
  return receipt!.fee;
}

describe.each([
  { name: "Hardhat", start: startHardhat },
  { name: "anvil", start: startAnvil },
])("the escrow on $name", ({ start }) => {
  let chain: TestChain;
  let f: Fixture;

  beforeAll(async () => {
    chain = await start();
    f = await deployFixture(chain);
  }, START_MS);

  afterAll(() => chain?.stop());

  const state = (channel: ChannelTerms) => f.escrow.channelState(f.idOf(channel));
  const by = (side: 0 | 1) => f.escrow.connect(f.sides[side].account);

  async function openToken(): Promise<ChannelTerms> {
    const channel = f.terms(f.tokenAddress);
    await mined(by(0).deposit(channel, channel.participant0, 1_000n));
    await mined(by(1).deposit(channel, channel.participant1, 500n));
    return channel;
  }

  async function signBoth(type: "Withdrawal" | "CooperativeClose", message: Record<string, unknown>) {
    return (await Promise.all(f.sides.map((side) => f.sign(side.signer, type, message)))) as [string, string];
  }

  async function closeCooperatively(channel: ChannelTerms, transferred0: bigint, transferred1: bigint) {
    const message = { channelId: f.idOf(channel), transferred0, transferred1, deadline: DEADLINE };
    const [s0, s1] = await signBoth("CooperativeClose", message);
    const stranger = f.escrow.connect(f.stranger);
    await mined(stranger.closeCooperatively(channel, transferred0, transferred1, DEADLINE, s0, s1));
  }

  it("names channels and its domain as TypeScript does", async () => {
    const channel = f.terms(f.tokenAddress);
    expect(await f.escrow.channelIdOf(channel)).toBe(f.idOf(channel));
    const domain = await f.escrow.eip712Domain();
    expect([domain.name, domain.version, domain.chainId, domain.verifyingContract]).toEqual([
      "Rivulet",
      "1",
      CHAIN_ID,
      f.escrowAddress,
    ]);
  });

  it("opens a native channel with the first deposit and pays it out cooperatively", async () => {
    const channel = f.terms(NATIVE);
    await mined(by(0).deposit(channel, channel.participant0, 1_000n, { value: 1_000n }));
    await mined(by(1).deposit(channel, channel.participant1, 500n, { value: 500n }));
    const { status, deposit0, deposit1 } = await state(channel);
    expect([status, deposit0, deposit1]).toEqual([OPEN, 1_000n, 500n]);
    const before = await Promise.all(f.sides.map((side) => chain.provider.getBalance(side.account.address)));
    await closeCooperatively(channel, 700n, 100n);
    const after = await Promise.all(f.sides.map((side) => chain.provider.getBalance(side.account.address)));
    expect([after[0]! - before[0]!, after[1]! - before[1]!]).toEqual([400n, 1_100n]);
    expect((await state(channel)).status).toBe(SETTLED);
  });

  it("announces the whole tuple, so that anyone can act for the channel from the log alone", async () => {
    const channel = await openToken();
    const [event] = await f.escrow.queryFilter(f.escrow.filters.ChannelOpened(f.idOf(channel)));
    const { participant0, participant1, signer0, signer1, token, challengePeriod, salt } =
      event!.args.channel;
    const told = { participant0, participant1, signer0, signer1, token, challengePeriod, salt };
    expect(told).toEqual(channel);
  });

  it("takes an EIP-2612 permit with the deposit", async () => {
    const owner = chain.account(6);
    await mined(f.token.mint(owner.address, 900n));
    const permit = {
      owner: owner.address,
      spender: f.escrowAddress,
      value: 900n,
      nonce: 0n,
      deadline: DEADLINE,
    };
    const { v, r, s } = Signature.from(await signPermit(owner, permit));
    const channel = f.terms(f.tokenAddress);
    await mined(
      f.escrow.connect(owner).depositWithPermit(channel, channel.participant0, 900n, DEADLINE, v, r, s),
    );
    expect((await state(channel)).deposit0).toBe(900n);
    expect(await f.token.balanceOf(owner.address)).toBe(0n);
  });

  async function signPermit(
    owner: { signTypedData: Wallet["signTypedData"] },
    permit: Record<string, unknown>,
  ) {
    const types = {
      Permit: [
        { name: "owner", type: "address" },
        { name: "spender", type: "address" },
        { name: "value", type: "uint256" },
        { name: "nonce", type: "uint256" },
        { name: "deadline", type: "uint256" },
      ],
    };
    return owner.signTypedData(tokenDomain(), types, permit);
  }

  const tokenDomain = () => ({
    name: "Rivulet Test Token",
    version: "1",
    chainId: CHAIN_ID,
    verifyingContract: f.tokenAddress,
  });

  it("takes an EIP-3009 authorization of an owner without gas, for its channel and participant only", async () => {
    const owner = chain.account(7);
    await mined(f.token.mint(owner.address, 800n));
    const channel = f.terms(f.tokenAddress);
    const salt = toBeHex(99n, 32);
    const nonce = keccak256(
      AbiCoder.defaultAbiCoder().encode(
        ["bytes32", "address", "bytes32"],
        [f.idOf(channel), channel.participant1, salt],
      ),
    );
    const fields = ["from", "to"].map((name) => ({ name, type: "address" }));
    const numbers = ["value", "validAfter", "validBefore"].map((name) => ({ name, type: "uint256" }));
    const types = { ReceiveWithAuthorization: [...fields, ...numbers, { name: "nonce", type: "bytes32" }] };
    const validBefore = 2n ** 40n;
    const signature = await owner.signTypedData(tokenDomain(), types, {
      from: owner.address,
      to: f.escrowAddress,
      value: 800n,
      validAfter: 0n,
      validBefore,
      nonce,
    });
    const relay = f.escrow.connect(f.stranger);
    const args = [800n, owner.address, salt, 0n, validBefore, signature] as const;
    await expect(
      relay.depositWithAuthorization.staticCall(channel, channel.participant0, ...args),
    ).rejects.toThrow();
    await mined(relay.depositWithAuthorization(channel, channel.participant1, ...args));
    expect((await state(channel)).deposit1).toBe(800n);
  });

  it("pays withdrawals up to a total, and a total once only", async () => {
    const channel = await openToken();
    const before = await f.token.balanceOf(channel.participant1);
    const message = {
      channelId: f.idOf(channel),
      participant: channel.participant1,
      totalWithdrawn: 700n,
      deadline: DEADLINE,
    };
    const [s0, s1] = await signBoth("Withdrawal", message);
    for (const caller of [f.stranger, f.sides[0].account]) {
      await mined(f.escrow.connect(caller).withdraw(channel, channel.participant1, 700n, DEADLINE, s0, s1));
    }
    expect(await f.token.balanceOf(channel.participant1)).toBe(before + 700n);
    expect((await state(channel)).withdrawn1).toBe(700n);
  });

  it("settles a cheat's close to the true balances", async () => {
    const channel = await openToken();
    const [p0, p1] = [channel.participant0, channel.participant1];
    const stale = proofOf(1n, 10n);
    const latest = proofOf(9n, 400n);
    const received = proofOf(4n, 150n);
    const signed = await Promise.all([
      f.prove(channel, 1, received),
      f.prove(channel, 0, stale),
      f.prove(channel, 0, latest),
    ]);
    // Participant 0 is owed 150 and owes 400; it starts with its own proof and keeps quiet about the other's.
    await mined(by(0).startClose(channel, p0, 0n, "0x", received, signed[0], "0x", []));
    const { status, deadline } = await state(channel);
    expect(status).toBe(CLOSING);
    expect(deadline).toBe(BigInt(await chain.time()) + CHALLENGE_PERIOD);
    await expect(by(0).challenge.staticCall(channel, p0, stale, signed[1], "0x", [])).rejects.toThrow();
    await mined(by(1).challenge(channel, p0, latest, signed[2], "0x", []));
    await expect(f.escrow.settle.staticCall(channel)).rejects.toThrow();
    await chain.mineAt(Number(deadline));
    const before = await Promise.all([f.token.balanceOf(p0), f.token.balanceOf(p1)]);
    await mined(f.escrow.connect(f.stranger).settle(channel));
    const after = await Promise.all([f.token.balanceOf(p0), f.token.balanceOf(p1)]);
    expect([after[0] - before[0], after[1] - before[1]]).toEqual([750n, 750n]);
  });

  it("pays locks claimed in time, and lets a later proof keep the claims", async () => {
    const channel = await openToken();
    const [p0, p1] = [channel.participant0, channel.participant1];
    const preimages = [1n, 2n].map((n) => toBeHex(n * 7_777n, 32));
    const expiry = BigInt(await chain.time()) + 3n * CHALLENGE_PERIOD;
    const locks: Lock[] = preimages.map((preimage, i) => ({
      id: BigInt(i + 1),
      amount: 100n * BigInt(i + 1),
      expiry,
      hash: hashLock(preimage),
    }));
    const proof = proofOf(3n, 50n, locks);
    const signature = await f.prove(channel, 0, proof);
    await mined(by(1).startClose(channel, p1, 0n, "0x", NO_PROOF, "0x", "0x", []));
    await mined(by(1).challenge(channel, p0, proof, signature, "0x", locks));
    expect((await state(channel)).deadline).toBe(expiry);
    await mined(f.escrow.connect(f.stranger).claim(channel, p0, locks, [1n], [preimages[1]!]));
    const [claimed] = await f.escrow.queryFilter(f.escrow.filters.LockClaimed(f.idOf(channel)));
    expect(claimed!.args.preimage).toBe(preimages[1]);

    const rest = [locks[1]!];
    const later = proofOf(4n, 150n, rest);
    await mined(by(1).challenge(channel, p0, later, await f.prove(channel, 0, later), "0x", rest));
    expect((await f.escrow.recordedProof(f.idOf(channel), p0)).claimed).toBe(200n);
    await chain.mineAt(Number(expiry));
    const before = await f.token.balanceOf(p1);
    await mined(f.escrow.settle(channel));
    expect(await f.token.balanceOf(p1)).toBe(before + 500n + 150n + 200n);
  });

  it("starts a close and claims in one transaction", async () => {
    const channel = await openToken();
    const preimage = toBeHex(4_242n, 32);
    const lock = {
      id: 1n,
      amount: 30n,
      expiry: BigInt(await chain.time()) + 9_999n,
      hash: hashLock(preimage),
    };
    const proof = proofOf(1n, 0n, [lock]);
    const signature = await f.prove(channel, 1, proof);
    const calls = [
      f.escrow.interface.encodeFunctionData("startClose", [
        channel,
        channel.participant0,
        0n,
        "0x",
        proof,
        signature,
        "0x",
        [lock],
      ]),
      f.escrow.interface.encodeFunctionData("claim", [
        channel,
        channel.participant1,
        [lock],
        [0n],
        [preimage],
      ]),
    ];
    await mined(by(0).multicall(calls));
    expect((await f.escrow.recordedProof(f.idOf(channel), channel.participant1)).claimed).toBe(30n);
  });

  it("credits a payout that a receiver refuses, pays the other side, and delivers it later", async () => {
    const receiver = await deployContract<Receiver>(chain.account(0), "Receiver");
    const refuser = await receiver.getAddress();
    const other = f.sides[1].account.address;
    const ascending = BigInt(refuser) < BigInt(other);
    const channel = f.terms(NATIVE);
    [channel.participant0, channel.participant1] = ascending ? [refuser, other] : [other, refuser];
    await mined(f.escrow.deposit(channel, refuser, 600n, { value: 600n }));
    await mined(f.escrow.deposit(channel, other, 300n, { value: 300n }));
    await mined(receiver.setMood(1));
    const before = await chain.provider.getBalance(other);
    await closeCooperatively(channel, 0n, 0n);
    expect(await chain.provider.getBalance(other)).toBe(before + 300n);
    expect(await f.escrow.payoutOf(NATIVE, refuser)).toBe(600n);
    await expect(f.escrow.withdrawPayout.staticCall(NATIVE, refuser, refuser)).rejects.toThrow();
    await mined(receiver.setMood(0));
    await mined(f.escrow.connect(f.stranger).withdrawPayout(NATIVE, refuser, refuser));
    expect(await chain.provider.getBalance(refuser)).toBe(600n);
  });

  it("finds by estimation a gas limit that delivers both payouts", async () => {
    const channel = await openToken();
    await mined(by(0).startClose(channel, channel.participant0, 0n, "0x", NO_PROOF, "0x", "0x", []));
    await chain.mineAt(Number((await state(channel)).deadline));
    const estimated = await f.escrow.settle.estimateGas(channel);
    await mined(f.escrow.settle(channel, { gasLimit: estimated }));
    expect(await f.escrow.payoutOf(f.tokenAddress, channel.participant0)).toBe(0n);
    expect(await f.escrow.payoutOf(f.tokenAddress, channel.participant1)).toBe(0n);
  });
});
