import { type Address, ZERO_ADDRESS } from "../../src/protocol/address.ts";
import type { ChannelId } from "../../src/protocol/channel.ts";
import { NO_PROOF, type SignedProof } from "../../src/protocol/proof.ts";
import { type Message, NO_LOCKS } from "../../src/wire/message.ts";

/** One message of every kind and every optional part, for golden vectors and as a start for mutations. */

const pattern = (length: number, start: number) => Uint8Array.from({ length }, (_, i) => (start + i) & 0xff);
const address = (byte: string) => `0x${byte.repeat(20)}` as Address;
const channelId = `0x${"c1".repeat(32)}` as ChannelId;
const proof: SignedProof = {
  nonce: 300n,
  transferred: 10n ** 18n,
  locked: 5n,
  locksRoot: pattern(32, 1),
  history: pattern(32, 64),
  signature: pattern(65, 128),
};
const update = { proof, entries: pattern(34, 200), creditedSequence: 7n };
const credits = {
  deposits: [10n ** 21n, 0n],
  withdrawn: [0n, 1n],
  closeLive: true,
  sequence: 9n,
} as const;
const hello = {
  kind: "hello",
  version: 1,
  features: ["locks", "gossip.1"],
  chainId: 31337n,
  escrow: address("e5"),
  signer: address("51"),
  participant: address("9a"),
  challenge: pattern(32, 9),
} as const;
const withdraw = {
  channelId,
  participant: address("9a"),
  total: 123456789n,
  deadline: 1_800_000_000n,
  signature: pattern(65, 3),
};
const lockLimits = { count: 64, least: 1n, most: 10n ** 20n, expiryBound: 86_400n };

export const samples: Readonly<Record<string, Message>> = {
  hello: { ...hello, proof: undefined },
  helloProven: { ...hello, proof: pattern(65, 33) },
  openChannel: {
    kind: "openChannel",
    channel: {
      participant0: address("11"),
      participant1: address("22"),
      signer0: ZERO_ADDRESS,
      signer1: address("33"),
      token: ZERO_ADDRESS,
      challengePeriod: 86_400,
      salt: 42n,
    },
    deposit: 10n ** 18n,
    requestedDeposit: 0n,
    lockLimits,
  },
  acceptChannel: { kind: "acceptChannel", channelId, deposit: 5n, lockLimits: NO_LOCKS },
  refuse: {
    kind: "refuse",
    channelId,
    code: "deposit_too_small",
    fields: { least: "1000", deposit: "5" },
  },
  credited: { kind: "credited", channelId, credits },
  update: { kind: "update", channelId, update },
  returnedUpdate: { kind: "returnedUpdate", channelId, update },
  ack: { kind: "ack", channelId, nonce: 300n, chainTime: 1_790_000_000n, endorsement: undefined },
  ackEndorsed: {
    kind: "ack",
    channelId,
    nonce: 300n,
    chainTime: 1_790_000_000n,
    endorsement: pattern(65, 77),
  },
  reestablish: {
    kind: "reestablish",
    channelId,
    reestablish: { sentNonce: 12n, received: proof, credited: credits },
    locks: pattern(128, 0),
  },
  reestablishFresh: {
    kind: "reestablish",
    channelId,
    reestablish: { sentNonce: 0n, received: NO_PROOF, credited: credits },
    locks: undefined,
  },
  withdrawPropose: { kind: "withdrawPropose", ...withdraw },
  withdrawSign: { kind: "withdrawSign", ...withdraw },
  closeStop: { kind: "closeStop", channelId, sentNonce: 300n },
  closeSign: {
    kind: "closeSign",
    channelId,
    transferred0: 10n ** 18n,
    transferred1: 0n,
    deadline: 1_800_000_000n,
    signature: pattern(65, 5),
  },
  error: { kind: "error", code: "nonce_fork", fields: { nonce: "300" }, channelId },
  errorBare: { kind: "error", code: "chain_mismatch", fields: {}, channelId: undefined },
};
