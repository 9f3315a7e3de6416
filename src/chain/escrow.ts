import { type Address, ZERO_ADDRESS } from "../protocol/address.ts";
import type { Hex } from "../protocol/bytes.ts";
import { type Channel, type ChannelId, channelIdOf } from "../protocol/channel.ts";
import type { Lock } from "../protocol/lock.ts";
import type { Keccak256 } from "../protocol/ports.ts";
import type { BalanceProof } from "../protocol/proof.ts";
import { ChainError } from "./error.ts";
import type { BlockTag, Call, Eth } from "./eth.ts";
import { IChannelEscrow__factory } from "./generated/factories/interfaces/IChannelEscrow__factory.js";
import type { CallOptions } from "./jsonRpc.ts";

/** The escrow's ABI: functions, events and errors. */
export const escrowInterface = IChannelEscrow__factory.createInterface();

export type ChannelStatus = "none" | "open" | "closing" | "settled";

/** The escrow's own order. */
const STATUSES: readonly ChannelStatus[] = ["none", "open", "closing", "settled"];

/** What the escrow holds about a channel, in the token's base unit. */
export interface EscrowState {
  readonly status: ChannelStatus;
  readonly deposit0: bigint;
  readonly deposit1: bigint;
  readonly withdrawn0: bigint;
  readonly withdrawn1: bigint;
  /** Unix seconds; zero unless closing. */
  readonly deadline: bigint;
}

/** The proof on record for one payer of a closing channel; nonce 0: none. */
export interface RecordedProof {
  readonly nonce: bigint;
  readonly transferred: bigint;
  /** Sum of the claimed locks that count. */
  readonly claimed: bigint;
  readonly locksRoot: Hex;
}

/** Gas the escrow leaves each receiver of native coin, and each transfer of a token: its own constants. */
export const NATIVE_PAYOUT_GAS = 50_000n;
export const TOKEN_PAYOUT_GAS = 250_000n;

/** A signature in bytes; empty where a function takes none. */
export const NO_SIGNATURE: Uint8Array = new Uint8Array(0);

/**
 * The escrow at one address: its functions as calls to publish, its views as reads.
 * Every encoder throws ethers' error on values that the field cannot hold: callers pass checked ones.
 */
export class Escrow {
  readonly address: Address;
  readonly #eth: Eth;

  constructor(address: Address, eth: Eth) {
    this.address = address;
    this.#eth = eth;
  }

  /** Adds `amount` for `participant`; native coin travels as the call's value. */
  deposit(channel: Channel, participant: Address, amount: bigint): Call {
    const native = channel.token === ZERO_ADDRESS;
    const data = escrowInterface.encodeFunctionData("deposit", [channel, participant, amount]);
    return { ...this.#call(data), value: native ? amount : 0n };
  }

  /** Like deposit, with an EIP-2612 permit of the caller's. `signature` is `r ‖ s ‖ v`. */
  depositWithPermit(
    channel: Channel,
    participant: Address,
    amount: bigint,
    permitDeadline: bigint,
    signature: Uint8Array,
  ): Call {
    const [r, s, v] = [signature.subarray(0, 32), signature.subarray(32, 64), signature[64] ?? 0];
    const values = [channel, participant, amount, permitDeadline, v, r, s] as const;
    return this.#call(escrowInterface.encodeFunctionData("depositWithPermit", [...values]));
  }

  /** Deposits from an EIP-3009 authorization of `from`, whose nonce commits to channel, participant and salt. */
  depositWithAuthorization(
    channel: Channel,
    participant: Address,
    amount: bigint,
    authorization: {
      readonly from: Address;
      readonly salt: Uint8Array;
      readonly validAfter: bigint;
      readonly validBefore: bigint;
      readonly signature: Uint8Array;
    },
  ): Call {
    const { from, salt, validAfter, validBefore, signature } = authorization;
    const values = [channel, participant, amount, from, salt, validAfter, validBefore, signature] as const;
    return this.#call(escrowInterface.encodeFunctionData("depositWithAuthorization", [...values]));
  }

  withdraw(
    channel: Channel,
    participant: Address,
    totalWithdrawn: bigint,
    deadline: bigint,
    signatures: readonly [Uint8Array, Uint8Array],
  ): Call {
    const values = [channel, participant, totalWithdrawn, deadline, signatures[0], signatures[1]] as const;
    return this.#call(escrowInterface.encodeFunctionData("withdraw", [...values]));
  }

  closeCooperatively(
    channel: Channel,
    transferred: readonly [bigint, bigint],
    deadline: bigint,
    signatures: readonly [Uint8Array, Uint8Array],
  ): Call {
    const values = [channel, transferred[0], transferred[1], deadline, signatures[0], signatures[1]] as const;
    const data = escrowInterface.encodeFunctionData("closeCooperatively", [...values]);
    return { ...this.#call(data), spareGas: spareGasOf(channel) };
  }

  /** `closeSignature` is empty when the caller is the closer or its signer; a nonce-0 proof records none. */
  startClose(
    channel: Channel,
    closer: Address,
    intent: { readonly deadline: bigint; readonly closeSignature: Uint8Array },
    evidence: ProofEvidence,
  ): Call {
    const { proof, signature, endorsement, locks } = evidence;
    const { deadline, closeSignature } = intent;
    const values = [channel, closer, deadline, closeSignature, proof, signature, endorsement, locks] as const;
    return this.#call(escrowInterface.encodeFunctionData("startClose", values as never));
  }

  challenge(channel: Channel, payer: Address, evidence: ProofEvidence): Call {
    const { proof, signature, endorsement, locks } = evidence;
    const values = [channel, payer, proof, signature, endorsement, locks] as const;
    return this.#call(escrowInterface.encodeFunctionData("challenge", values as never));
  }

  /** `locks` is the recorded proof's whole list; `preimages[i]` opens `locks[indices[i]]`. */
  claim(
    channel: Channel,
    payer: Address,
    locks: readonly Lock[],
    indices: readonly number[],
    preimages: readonly Uint8Array[],
  ): Call {
    const values = [channel, payer, locks, indices, preimages] as const;
    return this.#call(escrowInterface.encodeFunctionData("claim", values as never));
  }

  settle(channel: Channel): Call {
    const data = escrowInterface.encodeFunctionData("settle", [channel]);
    return { ...this.#call(data), spareGas: spareGasOf(channel) };
  }

  withdrawPayout(token: Address, account: Address, to: Address): Call {
    return this.#call(escrowInterface.encodeFunctionData("withdrawPayout", [token, account, to]));
  }

  async channelState(id: ChannelId, at: BlockTag, options: CallOptions): Promise<EscrowState> {
    const result = await this.#read("channelState", [id], at, options);
    const status = STATUSES[Number(result.status)];
    if (status === undefined) throw badAnswer("channelState", "an unknown status");
    return {
      status,
      deposit0: result.deposit0,
      deposit1: result.deposit1,
      withdrawn0: result.withdrawn0,
      withdrawn1: result.withdrawn1,
      deadline: result.deadline,
    };
  }

  async recordedProof(
    id: ChannelId,
    payer: Address,
    at: BlockTag,
    options: CallOptions,
  ): Promise<RecordedProof> {
    const result = await this.#read("recordedProof", [id, payer], at, options);
    return {
      nonce: result.nonce,
      transferred: result.transferred,
      claimed: result.claimed,
      locksRoot: result.locksRoot,
    };
  }

  /** What the escrow owes `account` after a payout that failed. */
  async payoutOf(token: Address, account: Address, at: BlockTag, options: CallOptions): Promise<bigint> {
    return (await this.#read("payoutOf", [token, account], at, options))[0];
  }

  /**
   * Throws `rpc_bad_answer` unless the escrow computes the same id as the protocol room: a wrong binding must not hold
   * money, nor one at which another contract answers.
   */
  async checkChannelId(
    channel: Channel,
    chainId: bigint,
    keccak256: Keccak256,
    options: CallOptions,
  ): Promise<ChannelId> {
    const [told] = await this.#read("channelIdOf", [channel], "latest", options);
    const own = channelIdOf(channel, chainId, this.address, keccak256);
    if (told !== own)
      throw badAnswer("channelIdOf", `the escrow names the channel ${told}, the protocol ${own}`);
    return own;
  }

  async #read(
    name: "channelState" | "recordedProof" | "payoutOf" | "channelIdOf",
    values: unknown[],
    at: BlockTag,
    options: CallOptions,
  ) {
    const data = escrowInterface.encodeFunctionData(name as never, values as never);
    const answer = await this.#eth.call(undefined, this.#call(data), at, options);
    try {
      return escrowInterface.decodeFunctionResult(name as never, answer);
    } catch {
      throw badAnswer(name, "not what the escrow returns");
    }
  }

  #call(data: string): Call {
    return { to: this.address, data: data as Hex, value: 0n };
  }
}

/**
 * What a call that pays both sides may take beyond its estimate. The escrow makes sure that the second payout has its
 * whole allowance, so the estimate holds one; the first may take all of its own by the time the call is mined.
 */
export function spareGasOf({ token }: Pick<Channel, "token">): bigint {
  return token === ZERO_ADDRESS ? NATIVE_PAYOUT_GAS : TOKEN_PAYOUT_GAS;
}

function badAnswer(method: string, reason: string): ChainError {
  return new ChainError({ code: "rpc_bad_answer", method, reason });
}

/** A balance proof as `startClose` and `challenge` take it. */
export interface ProofEvidence {
  readonly proof: BalanceProof;
  /** The payer's signer's, 65 bytes; empty with nonce 0. */
  readonly signature: Uint8Array;
  /** The payee's signer's; empty when the caller is the payee or its signer. */
  readonly endorsement: Uint8Array;
  readonly locks: readonly Lock[];
}

/** What a `deposit` pulls from whoever calls it, base units; undefined for any other call. */
export function depositedBy({
  data,
}: Pick<Call, "data">): { readonly token: Address; readonly amount: bigint } | undefined {
  if (!data.startsWith(DEPOSIT)) return undefined;
  const { channel, amount } = escrowInterface.decodeFunctionData("deposit", data);
  return { token: channel.token.toLowerCase() as Address, amount };
}

const DEPOSIT = escrowInterface.getFunction("deposit").selector;
