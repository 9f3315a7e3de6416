import { createHash } from "node:crypto";
import { AbiCoder, keccak256 } from "ethers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Erc20 } from "../../src/chain/erc20.ts";
import { escrowInterface, NO_SIGNATURE, type ProofEvidence } from "../../src/chain/escrow.ts";
import type { Call } from "../../src/chain/eth.ts";
import { decodeEvent } from "../../src/chain/event.ts";
import type { Outcome } from "../../src/chain/intent.ts";
import type { Publisher } from "../../src/chain/publisher.ts";
import { decodeRevert } from "../../src/chain/revert.ts";
import type { Address } from "../../src/protocol/address.ts";
import { fromHex, type Hex } from "../../src/protocol/bytes.ts";
import { type Channel, type ChannelId, channelIdOf } from "../../src/protocol/channel.ts";
import { type Lock, locksRootOf } from "../../src/protocol/lock.ts";
import { type BalanceProof, NO_PROOF } from "../../src/protocol/proof.ts";
import { CHAIN_ID, deployContract } from "../contracts/support/fixture.ts";
import { startHardhat } from "../contracts/support/testChain.ts";
import { on } from "./support/faultProxy.ts";
import {
  accountOf,
  openWorld,
  perform,
  publisherFor,
  signal,
  TestStore,
  until,
  type Watched,
  type World,
  watch,
} from "./support/world.ts";

const DEADLINE = 2n ** 40n;

describe("the escrow's binding, on Hardhat", () => {
  let world: World;
  let publishers: [Publisher, Publisher];
  let accounts: [Address, Address];
  let watched: Watched;
  let intents = 0;

  beforeAll(async () => {
    world = await openWorld(startHardhat);
    const sides = world.fixture.sides.map(({ account }) => accountOf(account, world.crypto));
    accounts = sides.map(({ address }) => address) as [Address, Address];
    publishers = sides.map((account) => publisherFor(world, new TestStore(), account)) as [
      Publisher,
      Publisher,
    ];
    for (const publisher of publishers) await publisher.start();
    watched = await watch(world, new TestStore(), { confirmations: 1 });
  }, 60_000);

  afterAll(async () => {
    await watched.watcher.stop();
    for (const publisher of publishers) await publisher.stop();
    await world.stop();
  });

  const publish = (side: 0 | 1, call: Call): Promise<Outcome> =>
    publishers[side].submit({ id: `intent ${intents++}`, ...call }, { signal });
  const done = async (side: 0 | 1, call: Call) =>
    expect(await publish(side, call)).toMatchObject({ ok: true });
  const tokenChannel = (token: Address): { channel: Channel; id: ChannelId } => {
    const channel = { ...world.channel().channel, token };
    return { channel, id: channelIdOf(channel, CHAIN_ID, world.escrow.address, world.crypto.keccak256) };
  };
  const signature = async (
    side: 0 | 1,
    type: "BalanceProof" | "Endorsement" | "Withdrawal",
    message: object,
  ) => fromHex(await world.fixture.sign(world.fixture.sides[side].signer, type, message as never));
  const evidenceOf = async (
    payer: 0 | 1,
    id: ChannelId,
    proof: BalanceProof,
    locks: Lock[],
  ): Promise<ProofEvidence> => {
    const signed = await signature(payer, "BalanceProof", { channelId: id, ...proof });
    return { proof, signature: signed, endorsement: NO_SIGNATURE, locks };
  };
  const eventsOf = async (id: ChannelId, count: number) => {
    const seen = () =>
      watched.notices.filter(
        (notice) => "channelId" in notice && notice.channelId === id && notice.stage === "confirmed",
      );
    await until(() => seen().length >= count, `${count} events`);
    return seen();
  };

  it("names a channel as the escrow does", async () => {
    const { channel, id } = world.channel();
    expect(await world.escrow.checkChannelId(channel, CHAIN_ID, world.crypto.keccak256, { signal })).toBe(id);
    await expect(
      world.escrow.checkChannelId(channel, 1n, world.crypto.keccak256, { signal }),
    ).rejects.toThrow("the escrow names the channel");
  });

  it("carries a token channel from opening to a disputed settlement, every event decoded", async () => {
    const token = new Erc20(world.fixture.tokenAddress.toLowerCase() as Address, world.eth);
    const { channel, id } = tokenChannel(token.address);
    await done(0, token.approve(world.escrow.address, 100n));
    expect(await token.allowance(accounts[0], world.escrow.address, { signal })).toBe(100n);
    await done(0, world.escrow.deposit(channel, accounts[0], 100n));
    await done(1, world.escrow.deposit(channel, accounts[1], 50n));
    const withdrawal = { channelId: id, participant: accounts[1], totalWithdrawn: 20n, deadline: DEADLINE };
    const signatures = [
      await signature(0, "Withdrawal", withdrawal),
      await signature(1, "Withdrawal", withdrawal),
    ] as const;
    await done(1, world.escrow.withdraw(channel, accounts[1], 20n, DEADLINE, signatures));
    const intent = { deadline: DEADLINE, closeSignature: NO_SIGNATURE };
    const none = { proof: NO_PROOF, signature: NO_SIGNATURE, endorsement: NO_SIGNATURE, locks: [] };
    await done(0, world.escrow.startClose(channel, accounts[0], intent, none));
    const preimage = new Uint8Array(32).fill(7);
    const hash = new Uint8Array(createHash("sha256").update(preimage).digest());
    const expiry = BigInt(await world.chain.time()) + 5_000n;
    const locks = [{ id: 1n, amount: 8n, expiry, hash }];
    const locksRoot = locksRootOf(locks, world.crypto.keccak256);
    const proof = { nonce: 3n, transferred: 40n, locked: 8n, locksRoot, history: new Uint8Array(32).fill(1) };
    await done(1, world.escrow.challenge(channel, accounts[0], await evidenceOf(0, id, proof, locks)));
    await done(1, world.escrow.claim(channel, accounts[0], locks, [0], [preimage]));
    expect(await world.escrow.recordedProof(id, accounts[0], "latest", { signal })).toMatchObject({
      nonce: 3n,
      transferred: 40n,
      claimed: 8n,
    });
    const closing = await world.escrow.channelState(id, "latest", { signal });
    expect(closing).toEqual({
      status: "closing",
      deposit0: 100n,
      deposit1: 50n,
      withdrawn0: 0n,
      withdrawn1: 20n,
      deadline: closing.deadline,
    });
    expect(await publish(0, world.escrow.settle(channel))).toMatchObject({
      code: "tx_would_revert",
      revert: { error: "ChannelEscrow_ChallengePeriodRunning", args: { deadline: `${closing.deadline}` } },
    });
    await world.chain.mineAt(Number(closing.deadline));
    await done(0, world.escrow.settle(channel));
    const { deadline } = closing;
    expect(await eventsOf(id, 8)).toMatchObject([
      { kind: "opened", channel },
      { kind: "deposited", participant: accounts[0], totalDeposit: 100n },
      { kind: "deposited", participant: accounts[1], totalDeposit: 50n },
      { kind: "withdrawn", participant: accounts[1], totalWithdrawn: 20n },
      { kind: "closeStarted", closer: accounts[0] },
      { kind: "proofRecorded", payer: accounts[0], nonce: 3n, transferred: 40n, locked: 8n, deadline },
      { kind: "lockClaimed", payer: accounts[0], lockId: 1n, preimage: `0x${"07".repeat(32)}` },
      { kind: "settled", share0: 52n, share1: 78n, cooperative: false },
    ]);
    expect((await world.escrow.channelState(id, "latest", { signal })).status).toBe("settled");
  });

  it("reports a payout that was credited, and withdraws it", async () => {
    const contract = await deployContract(world.chain.account(0), "BlockingToken");
    const token = (await contract.getAddress()).toLowerCase() as Address;
    const owner = world.fixture.sides[0].account;
    const { interface: abi } = contract;
    const call = (name: string, ...values: unknown[]): Call => ({
      to: token,
      data: abi.encodeFunctionData(name, values) as Hex,
      value: 0n,
    });
    await perform(owner, call("mint", accounts[0], 30n));
    await done(0, new Erc20(token, world.eth).approve(world.escrow.address, 30n));
    const { channel, id } = tokenChannel(token);
    await done(0, world.escrow.deposit(channel, accounts[0], 30n));
    const none = { proof: NO_PROOF, signature: NO_SIGNATURE, endorsement: NO_SIGNATURE, locks: [] };
    await done(
      0,
      world.escrow.startClose(channel, accounts[0], { deadline: 0n, closeSignature: NO_SIGNATURE }, none),
    );
    const { deadline } = await world.escrow.channelState(id, "latest", { signal });
    await world.chain.mineAt(Number(deadline));
    await perform(owner, call("setBlocked", accounts[0], true));
    await done(1, world.escrow.settle(channel));
    const events = await eventsOf(id, 5);
    expect(events).toContainEqual(
      expect.objectContaining({ kind: "payoutCredited", token, account: accounts[0], amount: 30n }),
    );
    expect(await world.escrow.payoutOf(token, accounts[0], "latest", { signal })).toBe(30n);
    await perform(owner, call("setBlocked", accounts[0], false));
    await done(0, world.escrow.withdrawPayout(token, accounts[0], accounts[0]));
    expect(await world.escrow.payoutOf(token, accounts[0], "latest", { signal })).toBe(0n);
  });

  describe("deposits without an allowance", () => {
    const domain = () => ({
      name: "Rivulet Test Token",
      version: "1",
      chainId: CHAIN_ID,
      verifyingContract: world.fixture.tokenAddress,
    });
    const owner = () => world.fixture.sides[0].account;
    const field = (type: string, name: string) => ({ type, name });

    it("by the caller's permit", async () => {
      const token = new Erc20(world.fixture.tokenAddress.toLowerCase() as Address, world.eth);
      const { channel, id } = tokenChannel(token.address);
      await done(0, token.approve(world.escrow.address, 0n));
      const fields = [field("address", "owner"), field("address", "spender"), field("uint256", "value")];
      const types = { Permit: [...fields, field("uint256", "nonce"), field("uint256", "deadline")] };
      const permit = {
        owner: accounts[0],
        spender: world.escrow.address,
        value: 9n,
        nonce: 0n,
        deadline: DEADLINE,
      };
      const signed = fromHex(await owner().signTypedData(domain(), types, permit));
      await done(0, world.escrow.depositWithPermit(channel, accounts[0], 9n, DEADLINE, signed));
      expect(await world.escrow.channelState(id, "latest", { signal })).toMatchObject({ deposit0: 9n });
    });

    it("by an owner's authorization, published by another", async () => {
      const { channel, id } = tokenChannel(world.fixture.tokenAddress.toLowerCase() as Address);
      const salt = new Uint8Array(32).fill(3);
      const coder = AbiCoder.defaultAbiCoder();
      const nonce = keccak256(coder.encode(["bytes32", "address", "bytes32"], [id, accounts[0], salt]));
      const fields = [field("address", "from"), field("address", "to"), field("uint256", "value")];
      const times = [field("uint256", "validAfter"), field("uint256", "validBefore")];
      const types = { ReceiveWithAuthorization: [...fields, ...times, field("bytes32", "nonce")] };
      const from = accounts[0];
      const window = { validAfter: 0n, validBefore: DEADLINE };
      const message = { from, to: world.escrow.address, value: 4n, ...window, nonce };
      const signed = fromHex(await owner().signTypedData(domain(), types, message));
      const authorization = { from, salt, ...window, signature: signed };
      await done(1, world.escrow.depositWithAuthorization(channel, from, 4n, authorization));
      expect(await world.escrow.channelState(id, "latest", { signal })).toMatchObject({ deposit0: 4n });
    });
  });

  it("takes a reorganisation on Hardhat as on any chain", async () => {
    const { channel, id } = world.channel();
    const snapshot = await world.rpc("evm_snapshot");
    await world.deposit(channel, 0, 3n);
    await eventsOf(id, 2);
    await world.rpc("evm_revert", snapshot);
    await world.rpc("evm_mine");
    await world.rpc("evm_mine");
    const stages = () =>
      watched.notices
        .filter((notice) => "channelId" in notice && notice.channelId === id)
        .map(({ stage }) => stage);
    await until(() => stages().filter((stage) => stage === "removed").length === 2, "both are taken back");
    expect(await watched.watcher.readChannel(id, "newest", signal)).toMatchObject({
      state: { status: "none" },
    });
  });

  describe("reading tokens nobody vouches for", () => {
    const tokenAt = (answers: Record<string, string | undefined>) => {
      const selectors: Record<string, string> = { "0x313ce567": "decimals", "0x95d89b41": "symbol" };
      world.proxy.rules = [
        on("eth_call", ([call]) => {
          const name = selectors[(call as { data: string }).data] ?? "balanceOf";
          const result = answers[name];
          if (result === undefined)
            return { kind: "error", code: 3, message: "execution reverted", data: "0x" };
          return { kind: "answer", result };
        }),
      ];
      return new Erc20(`0x${"12".repeat(20)}` as Address, world.eth);
    };
    const word = (value: number | bigint) => `0x${value.toString(16).padStart(64, "0")}`;

    afterAll(() => world.proxy.reset());

    it("reads an ordinary one", async () => {
      world.proxy.reset();
      const token = new Erc20(world.fixture.tokenAddress.toLowerCase() as Address, world.eth);
      expect(await token.symbol({ signal })).toBe("RTT");
      expect(await token.decimals({ signal })).toBe(6);
      expect(await token.balanceOf(accounts[1], { signal })).toBeGreaterThan(0n);
    });

    it.each([
      ["reverting", {}, undefined, undefined],
      ["empty", { decimals: "0x", symbol: "0x" }, undefined, undefined],
      ["absurd", { decimals: word(2n ** 255n), symbol: word(2n ** 255n) }, undefined, undefined],
      ["bytes32", { decimals: word(18), symbol: `0x4d4b52${"00".repeat(29)}` }, 18, "MKR"],
      ["endless", { decimals: word(37), symbol: word(32) + word(10 ** 9).slice(2) }, undefined, undefined],
      ["lying", { decimals: word(0), symbol: `0x1b5b324a${"41".repeat(28)}` }, 0, `[2J${"A".repeat(28)}`],
    ])("takes %s answers without harm", async (_name, answers, decimals, symbol) => {
      const token = tokenAt(answers);
      expect(await token.decimals({ signal })).toBe(decimals);
      expect(await token.symbol({ signal })).toBe(symbol);
    });

    it("does not take silence for a balance", async () => {
      const token = tokenAt({ balanceOf: "0x" });
      await expect(token.balanceOf(accounts[0], { signal })).rejects.toMatchObject({
        code: "rpc_bad_answer",
      });
    });
  });

  describe("decoding", () => {
    const hex = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString("hex")}` as Hex;
    const words = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(hex);
    const ours = ["ChannelOpened", "Deposited", "Settled", "LockClaimed"] as const;
    const topic = fc.oneof(
      words,
      fc.constantFrom(...ours.map((name) => escrowInterface.getEvent(name).topicHash as Hex)),
    );

    it("never throws on a log, whatever the bytes", () => {
      fc.assert(
        fc.property(fc.array(topic, { maxLength: 4 }), fc.uint8Array({ maxLength: 320 }), (topics, data) => {
          decodeEvent({ topics, data: hex(data) });
        }),
      );
    });

    it("never throws on revert data, and bounds what a stranger's text takes", () => {
      const selector = fc.constantFrom("0x08c379a0", "0x4e487b71", "0x");
      fc.assert(
        fc.property(selector, fc.uint8Array({ maxLength: 2_000 }), (prefix, bytes) => {
          const { error, args } = decodeRevert(prefix + hex(bytes).slice(2));
          expect(error.length).toBeGreaterThan(0);
          for (const value of Object.values(args)) expect(value.length).toBeLessThanOrEqual(200);
        }),
      );
    });
  });
});
