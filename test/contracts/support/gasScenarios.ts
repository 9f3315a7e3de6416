import type { ContractTransactionResponse } from "ethers";
import { MaxUint256, toBeHex } from "ethers";
import { DEADLINE, type Fixture, NATIVE, proofOf } from "./fixture.ts";
import { type ChannelTerms, hashLock, type Lock, NO_PROOF } from "./messages.ts";

/** Whole transactions' gas by operation, as receipts report it. */
export type GasTable = Record<string, number>;

/** All times are fixed ones, so that calldata and signatures, and with them the gas, are the same in every run. */
const START = 2_000_000_000n;
const YEAR = 31_536_000n;

/** The most that each may cost: a change that costs more is refused, whatever the snapshot says. */
export const GAS_MUST: Readonly<GasTable> = {
  "open, native coin": 57_000,
  "open, ERC-20": 77_000,
  "top up, ERC-20": 56_000,
  "cooperative close, both paid, ERC-20": 80_000,
  "unilateral start, with a proof": 70_000,
  challenge: 65_000,
  "settle, ERC-20, both paid": 68_000,
};

async function gasOf(sent: Promise<ContractTransactionResponse>): Promise<number> {
  const receipt = await (await sent).wait();
  if (receipt === null || receipt.status !== 1) {
    throw new Error("a measured transaction failed");
  }
  return Number(receipt.gasUsed);
}

async function openBoth(f: Fixture, channel: ChannelTerms, amount = 1_000_000n): Promise<void> {
  const { participant0, participant1 } = channel;
  await gasOf(f.escrow.connect(f.sides[0].account).deposit(channel, participant0, amount));
  await gasOf(f.escrow.connect(f.sides[1].account).deposit(channel, participant1, amount));
}

async function measureLife(f: Fixture, gas: GasTable): Promise<void> {
  const [side0, side1] = f.sides;
  const native = f.terms(NATIVE);
  const as0 = f.escrow.connect(side0.account);
  const as1 = f.escrow.connect(side1.account);
  gas["open, native coin"] = await gasOf(
    as0.deposit(native, native.participant0, 10n ** 15n, { value: 10n ** 15n }),
  );
  const channel = f.terms(f.tokenAddress);
  gas["open, ERC-20"] = await gasOf(as0.deposit(channel, channel.participant0, 1_000_000n));
  gas["deposit of the other side, ERC-20"] = await gasOf(
    as1.deposit(channel, channel.participant1, 1_000_000n),
  );
  gas["top up, ERC-20"] = await gasOf(as0.deposit(channel, channel.participant0, 500_000n));
  await (await f.token.connect(side0.account).approve(f.escrowAddress, 10n ** 9n)).wait();
  const exact = f.terms(f.tokenAddress);
  gas["open, ERC-20, limited allowance"] = await gasOf(as0.deposit(exact, exact.participant0, 1_000_000n));
  gas["top up, ERC-20, limited allowance"] = await gasOf(as0.deposit(exact, exact.participant0, 500_000n));
  await (await f.token.connect(side0.account).approve(f.escrowAddress, MaxUint256)).wait();
  gas["withdraw, ERC-20"] = await measureWithdrawal(f, channel, 1_000n);
  gas["withdraw again, ERC-20"] = await measureWithdrawal(f, channel, 2_000n);
  gas["cooperative close after a withdrawal, both paid, ERC-20"] = await measureCooperativeClose(f, channel);
  const plain = f.terms(f.tokenAddress);
  await openBoth(f, plain);
  gas["cooperative close, both paid, ERC-20"] = await measureCooperativeClose(f, plain);
}

async function measureWithdrawal(f: Fixture, channel: ChannelTerms, total: bigint): Promise<number> {
  const message = {
    channelId: f.idOf(channel),
    participant: channel.participant0,
    totalWithdrawn: total,
    deadline: DEADLINE,
  };
  const [s0, s1] = await Promise.all(f.sides.map((side) => f.sign(side.signer, "Withdrawal", message)));
  const as0 = f.escrow.connect(f.sides[0].account);
  return gasOf(as0.withdraw(channel, channel.participant0, total, DEADLINE, s0!, s1!));
}

async function measureCooperativeClose(f: Fixture, channel: ChannelTerms): Promise<number> {
  const message = {
    channelId: f.idOf(channel),
    transferred0: 300_000n,
    transferred1: 100_000n,
    deadline: DEADLINE,
  };
  const [s0, s1] = await Promise.all(f.sides.map((side) => f.sign(side.signer, "CooperativeClose", message)));
  const as0 = f.escrow.connect(f.sides[0].account);
  return gasOf(as0.closeCooperatively(channel, 300_000n, 100_000n, DEADLINE, s0!, s1!));
}

async function passDeadline(f: Fixture, channel: ChannelTerms): Promise<void> {
  const state = await f.escrow.channelState(f.idOf(channel));
  await f.chain.mineAt(Number(state.deadline));
}

async function measureDispute(f: Fixture, gas: GasTable): Promise<void> {
  const [side0, side1] = f.sides;
  const channel = f.terms(f.tokenAddress);
  await openBoth(f, channel);
  const paid1 = proofOf(7n, 123_456n);
  const paid0 = proofOf(9n, 345_678n);
  gas["unilateral start, with a proof"] = await gasOf(
    f.escrow
      .connect(side0.account)
      .startClose(channel, channel.participant0, 0, "0x", paid1, await f.prove(channel, 1, paid1), "0x", []),
  );
  gas.challenge = await gasOf(
    f.escrow
      .connect(side1.account)
      .challenge(channel, channel.participant0, paid0, await f.prove(channel, 0, paid0), "0x", []),
  );
  const endorsed = proofOf(8n, 133_456n);
  const endorsement = await f.sign(side0.signer, "Endorsement", { channelId: f.idOf(channel), ...endorsed });
  gas["challenge again, by a stranger with an endorsement"] = await gasOf(
    f.escrow
      .connect(f.stranger)
      .challenge(
        channel,
        channel.participant1,
        endorsed,
        await f.prove(channel, 1, endorsed),
        endorsement,
        [],
      ),
  );
  await passDeadline(f, channel);
  gas["settle, ERC-20, both paid"] = await gasOf(f.escrow.connect(f.stranger).settle(channel));

  const bare = f.terms(f.tokenAddress);
  await openBoth(f, bare);
  gas["unilateral start, without a proof"] = await gasOf(
    f.escrow.connect(side0.account).startClose(bare, bare.participant0, 0, "0x", NO_PROOF, "0x", "0x", []),
  );
}

function lockList(count: number, expiry: bigint): { locks: Lock[]; preimages: string[] } {
  const preimages = Array.from({ length: count }, (_, i) => toBeHex(BigInt(i + 1) * 7_919n, 32));
  const locks = preimages.map((preimage, i) => ({
    id: BigInt(i + 1),
    amount: 1_000n,
    expiry,
    hash: hashLock(preimage),
  }));
  return { locks, preimages };
}

async function measureLocks(f: Fixture, gas: GasTable): Promise<void> {
  const [side0, side1] = f.sides;
  const as0 = f.escrow.connect(side0.account);
  for (const count of [1, 64]) {
    const channel = f.terms(f.tokenAddress);
    await openBoth(f, channel);
    const expiry = START + BigInt(count) * YEAR;
    const { locks, preimages } = lockList(count, expiry);
    const proof = proofOf(5n, 1_000n, locks);
    await gasOf(
      f.escrow
        .connect(side1.account)
        .startClose(channel, channel.participant1, 0, "0x", NO_PROOF, "0x", "0x", []),
    );
    gas[`record a proof with ${count} lock(s)`] = await gasOf(
      as0.challenge(channel, channel.participant1, proof, await f.prove(channel, 1, proof), "0x", locks),
    );
    const indices = locks.map((_, i) => i);
    gas[`claim ${count} lock(s)`] = await gasOf(
      as0.claim(channel, channel.participant1, locks, indices, preimages),
    );
    const later = proofOf(6n, 1_000n, locks);
    gas[`record again a proof with ${count} claimed lock(s)`] = await gasOf(
      as0.challenge(channel, channel.participant1, later, await f.prove(channel, 1, later), "0x", locks),
    );
    await passDeadline(f, channel);
    gas[`settle after ${count} claim(s), ERC-20, both paid`] = await gasOf(as0.settle(channel));
  }
  for (const what of ["record a proof with", "claim", "record again a proof with"]) {
    const suffix = what.startsWith("record again") ? "claimed lock(s)" : "lock(s)";
    const slope = (gas[`${what} 64 ${suffix}`]! - gas[`${what} 1 ${suffix}`]!) / 63;
    gas[`per lock: ${what.replace(/ a proof with$/, "")}`] = Math.round(slope);
  }
}

/** Runs every operation once, with non-zero token balances at all parties, and returns what each cost. */
export async function measureGas(f: Fixture): Promise<GasTable> {
  const gas: GasTable = {};
  await f.chain.mineAt(Number(START));
  const standing = f.terms(f.tokenAddress);
  await openBoth(f, standing);
  await measureLife(f, gas);
  await measureDispute(f, gas);
  await measureLocks(f, gas);
  return gas;
}
