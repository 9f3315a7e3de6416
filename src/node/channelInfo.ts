import {
  type Address,
  type ChannelId,
  type ChannelState,
  otherSide,
  receiveCapacity,
  sendCapacity,
  toHex,
} from "../protocol/index.ts";

/** What an application sees of a channel. Amounts in the token's base unit. */
export interface ChannelInfo {
  readonly channelId: ChannelId;
  /** The other side's signer. */
  readonly peer: Address;
  readonly token: Address;
  readonly phase: ChannelState["terms"]["phase"];
  /** Both sides have re-established it on a live session: payments can leave now. */
  readonly connected: boolean;
  readonly sendCapacity: bigint;
  readonly receiveCapacity: bigint;
  readonly sent: bigint;
  readonly received: bigint;
  readonly deposits: readonly [ours: bigint, theirs: bigint];
  readonly withdrawn: readonly [ours: bigint, theirs: bigint];
  /** Seconds the other side has to answer a unilateral close. */
  readonly challengePeriod: number;
  /** Unix seconds: when the challenge period of a unilateral close ends, while one is under way. */
  readonly closeDeadline: bigint | undefined;
  /** What the settlement paid, once confirmed; what was refused waits at the escrow: `node.waitingPayouts()`. */
  readonly paidOut: readonly [ours: bigint, theirs: bigint] | undefined;
}

export function infoOf(state: ChannelState, connected: boolean): ChannelInfo {
  const { terms, side } = state;
  const theirs = otherSide(side);
  const { settled, deposits, withdrawn, close } = terms.chain;
  // A settled channel carries nothing, whatever its last proofs would have left.
  const [send, receive] = settled === undefined ? [sendCapacity(state), receiveCapacity(state)] : [0n, 0n];
  return {
    channelId: state.id,
    peer: toHex(state.counterpartySigner) as Address,
    token: terms.channel.token,
    phase: terms.phase,
    connected,
    sendCapacity: send > 0n ? send : 0n,
    receiveCapacity: receive > 0n ? receive : 0n,
    sent: state.sent.transferred,
    received: state.received.transferred,
    deposits: [deposits[side], deposits[theirs]],
    withdrawn: [withdrawn[side], withdrawn[theirs]],
    challengePeriod: terms.channel.challengePeriod,
    closeDeadline:
      close !== undefined && close.deadline > 0n && settled === undefined ? close.deadline : undefined,
    paidOut: settled === undefined ? undefined : [settled.shares[side], settled.shares[theirs]],
  };
}
