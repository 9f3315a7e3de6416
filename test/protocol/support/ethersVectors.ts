import {
  AbiCoder,
  concat,
  keccak256,
  solidityPackedKeccak256,
  TypedDataEncoder,
  Wallet,
  zeroPadValue,
} from "ethers";
import { CHAIN_ID, ESCROW } from "./channel.ts";

/** Every integer and byte string of the vectors is text: decimal, or 0x-prefixed hex. */
export interface ProtocolVectors {
  readonly chainId: string;
  readonly escrow: string;
  readonly signerKey: string;
  readonly channels: readonly { readonly channel: ChannelText; readonly id: string }[];
  readonly domainSeparator: string;
  readonly digests: readonly {
    readonly type:
      | "BalanceProof"
      | "Endorsement"
      | "Withdrawal"
      | "CooperativeClose"
      | "StartClose"
      | "Hello";
    readonly message: Readonly<Record<string, string>>;
    readonly digest: string;
    /** By `signerKey`. */
    readonly signature: string;
  }[];
  readonly entries: readonly { readonly transfers: readonly TransferText[]; readonly packed: string }[];
  /** One direction: the packed entries of its updates, and the history after each. */
  readonly history: readonly { readonly packed: string; readonly history: string }[];
  readonly lockLists: readonly {
    readonly locks: readonly LockText[];
    readonly packed: string;
    readonly root: string;
  }[];
}

export interface ChannelText {
  readonly participant0: string;
  readonly participant1: string;
  readonly signer0: string;
  readonly signer1: string;
  readonly token: string;
  readonly challengePeriod: number;
  readonly salt: string;
}

export interface TransferText {
  readonly paymentId: string;
  readonly amount: string;
  readonly reference: string | null;
  readonly applicationId: boolean;
  readonly refund: boolean;
}

export interface LockText {
  readonly id: string;
  readonly amount: string;
  readonly expiry: string;
  readonly hash: string;
}

const PROOF_FIELDS = [
  { name: "channelId", type: "bytes32" },
  { name: "nonce", type: "uint64" },
  { name: "transferred", type: "uint256" },
  { name: "locked", type: "uint256" },
  { name: "locksRoot", type: "bytes32" },
  { name: "history", type: "bytes32" },
];

const TYPES = {
  BalanceProof: PROOF_FIELDS,
  Endorsement: PROOF_FIELDS,
  Withdrawal: [
    { name: "channelId", type: "bytes32" },
    { name: "participant", type: "address" },
    { name: "totalWithdrawn", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
  CooperativeClose: [
    { name: "channelId", type: "bytes32" },
    { name: "transferred0", type: "uint256" },
    { name: "transferred1", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
  StartClose: [
    { name: "channelId", type: "bytes32" },
    { name: "deadline", type: "uint256" },
  ],
  Hello: [
    { name: "peerId", type: "bytes" },
    { name: "challenge", type: "bytes32" },
  ],
} as const;

const bytes = (byte: string, length: number) => `0x${byte.repeat(length)}`;
const ZERO_ADDRESS = bytes("00", 20);
const ZERO_WORD = bytes("00", 32);
const MAX_UINT256 = ((1n << 256n) - 1n).toString();
const MAX_UINT128 = ((1n << 128n) - 1n).toString();
const MAX_UINT64 = ((1n << 64n) - 1n).toString();
const SIGNER_KEY = bytes("5a", 32);
const DOMAIN = { name: "Rivulet", version: "1", chainId: CHAIN_ID, verifyingContract: ESCROW };

const CHANNEL_TUPLE = "tuple(address,address,address,address,address,uint32,uint64)";

function channelVector(channel: ChannelText): ProtocolVectors["channels"][number] {
  const { participant0, participant1, signer0, signer1, token, challengePeriod, salt } = channel;
  const tuple = [participant0, participant1, signer0, signer1, token, challengePeriod, salt];
  const encoded = AbiCoder.defaultAbiCoder().encode(
    ["uint256", "address", CHANNEL_TUPLE],
    [CHAIN_ID, ESCROW, tuple],
  );
  return { channel, id: keccak256(encoded) };
}

function digestVector(
  type: keyof typeof TYPES,
  message: Readonly<Record<string, string>>,
): ProtocolVectors["digests"][number] {
  const digest = TypedDataEncoder.hash(DOMAIN, { [type]: [...TYPES[type]] }, message);
  return { type, message, digest, signature: new Wallet(SIGNER_KEY).signingKey.sign(digest).serialized };
}

/** Packed by ethers field by field, after the table in `entries.ts`. */
function entriesVector(transfers: readonly TransferText[]): ProtocolVectors["entries"][number] {
  const packed = transfers.map(({ paymentId, amount, reference, applicationId, refund }) => {
    const flags = (reference === null ? 0 : 1) | (refund ? 2 : 0) | (applicationId ? 4 : 0);
    const word = zeroPadValue(`0x${BigInt(amount).toString(16).padStart(32, "0")}`, 16);
    return concat(["0x01", `0x0${flags}`, paymentId, word, reference ?? "0x"]);
  });
  return { transfers, packed: concat(packed) };
}

function lockVector(locks: readonly LockText[]): ProtocolVectors["lockLists"][number] {
  const types = locks.flatMap(() => ["uint64", "uint128", "uint64", "bytes32"]);
  const values = locks.flatMap(({ id, amount, expiry, hash }) => [id, amount, expiry, hash]);
  const uint = (value: string, length: number) =>
    `0x${BigInt(value)
      .toString(16)
      .padStart(2 * length, "0")}`;
  const packed = concat(
    locks.flatMap(({ id, amount, expiry, hash }) => [uint(id, 8), uint(amount, 16), uint(expiry, 8), hash]),
  );
  return { locks, packed, root: locks.length === 0 ? ZERO_WORD : solidityPackedKeccak256(types, values) };
}

function historyVector(updates: readonly string[]): ProtocolVectors["history"] {
  let history = ZERO_WORD;
  return updates.map((packed) => {
    history = solidityPackedKeccak256(["bytes32", "bytes32"], [history, keccak256(packed)]);
    return { packed, history };
  });
}

/** The golden vectors of the protocol, computed with ethers alone: nothing of `src/` is in them. */
export function ethersVectors(): ProtocolVectors {
  const plain: ChannelText = {
    participant0: bytes("01", 20),
    participant1: bytes("fe", 20),
    signer0: ZERO_ADDRESS,
    signer1: ZERO_ADDRESS,
    token: ZERO_ADDRESS,
    challengePeriod: 0,
    salt: "0",
  };
  const full: ChannelText = {
    participant0: "0x00000000000000000000000000000000000000a1",
    participant1: "0xffffffffffffffffffffffffffffffffffffffff",
    signer0: bytes("a0", 20),
    signer1: bytes("b0", 20),
    token: bytes("c0", 20),
    challengePeriod: 2_592_000,
    salt: MAX_UINT64,
  };
  const channels = [plain, { ...plain, salt: "1" }, full].map(channelVector);
  const channelId = channels[2]!.id;
  const empty = {
    channelId,
    nonce: "0",
    transferred: "0",
    locked: "0",
    locksRoot: ZERO_WORD,
    history: ZERO_WORD,
  };
  const proof = {
    channelId,
    nonce: MAX_UINT64,
    transferred: MAX_UINT256,
    locked: MAX_UINT128,
    locksRoot: bytes("ab", 32),
    history: bytes("cd", 32),
  };
  const small = { ...proof, nonce: "1", transferred: "1000000000000000001", locked: "2" };
  const one: TransferText = {
    paymentId: bytes("11", 16),
    amount: "1",
    reference: null,
    applicationId: false,
    refund: false,
  };
  const entries = [
    [one],
    [{ ...one, amount: MAX_UINT128, applicationId: true }],
    [
      one,
      { ...one, amount: "18446744073709551616", reference: bytes("22", 32) },
      { ...one, amount: "255", reference: bytes("33", 32), refund: true },
      { ...one, amount: "256", reference: bytes("44", 32), applicationId: true, refund: true },
    ],
  ].map(entriesVector);
  const lock: LockText = { id: "1", amount: "1", expiry: "1800000000", hash: bytes("77", 32) };
  const last: LockText = { id: MAX_UINT64, amount: MAX_UINT128, expiry: MAX_UINT64, hash: bytes("ff", 32) };
  return {
    chainId: CHAIN_ID.toString(),
    escrow: ESCROW,
    signerKey: SIGNER_KEY,
    channels,
    domainSeparator: TypedDataEncoder.hashDomain(DOMAIN),
    digests: [
      digestVector("BalanceProof", empty),
      digestVector("BalanceProof", small),
      digestVector("BalanceProof", proof),
      digestVector("Endorsement", small),
      digestVector("Endorsement", proof),
      digestVector("Withdrawal", {
        channelId,
        participant: full.participant0,
        totalWithdrawn: "20282409603651670423947251286015",
        deadline: "1800003600",
      }),
      digestVector("CooperativeClose", {
        channelId,
        transferred0: "300",
        transferred1: "100",
        deadline: "1800000600",
      }),
      digestVector("CooperativeClose", {
        channelId,
        transferred0: MAX_UINT128,
        transferred1: "0",
        deadline: MAX_UINT256,
      }),
      digestVector("StartClose", { channelId, deadline: "1800000600" }),
      digestVector("Hello", { peerId: "0x002508021221", challenge: bytes("99", 32) }),
    ],
    entries,
    history: historyVector(entries.map(({ packed }) => packed)),
    lockLists: [[], [lock], [lock, { ...lock, id: "2", amount: "340282366920938463463" }, last]].map(
      lockVector,
    ),
  };
}
