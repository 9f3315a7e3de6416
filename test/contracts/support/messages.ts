import { AbiCoder, concat, keccak256, type Signer, sha256, solidityPacked, ZeroHash } from "ethers";

/** The tuple of IChannelEscrow.Channel. */
export interface ChannelTerms {
  participant0: string;
  participant1: string;
  signer0: string;
  signer1: string;
  token: string;
  challengePeriod: bigint;
  salt: bigint;
}

export interface BalanceProof {
  nonce: bigint;
  transferred: bigint;
  locked: bigint;
  locksRoot: string;
  history: string;
}

export interface Lock {
  id: bigint;
  amount: bigint;
  expiry: bigint;
  hash: string;
}

export const CHANNEL_TUPLE =
  "tuple(address participant0,address participant1,address signer0,address signer1,address token,uint32 challengePeriod,uint64 salt)";
export const LOCK_TUPLE = "tuple(uint64 id,uint128 amount,uint64 expiry,bytes32 hash)";
export const NO_PROOF: BalanceProof = {
  nonce: 0n,
  transferred: 0n,
  locked: 0n,
  locksRoot: ZeroHash,
  history: ZeroHash,
};

const PROOF_FIELDS = [
  { name: "channelId", type: "bytes32" },
  { name: "nonce", type: "uint64" },
  { name: "transferred", type: "uint256" },
  { name: "locked", type: "uint256" },
  { name: "locksRoot", type: "bytes32" },
  { name: "history", type: "bytes32" },
];

/** Every signed type of the contract, in the form that ethers takes. */
export const SIGNED_TYPES = {
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
};

export type SignedType = keyof typeof SIGNED_TYPES;

export function domainOf(chainId: bigint, escrow: string) {
  return { name: "Rivulet", version: "1", chainId, verifyingContract: escrow };
}

export function channelIdOf(chainId: bigint, escrow: string, channel: ChannelTerms): string {
  return keccak256(
    AbiCoder.defaultAbiCoder().encode(["uint256", "address", CHANNEL_TUPLE], [chainId, escrow, channel]),
  );
}

export function packLocks(locks: readonly Lock[]): string {
  return concat(
    locks.map((lock) =>
      solidityPacked(
        ["uint64", "uint128", "uint64", "bytes32"],
        [lock.id, lock.amount, lock.expiry, lock.hash],
      ),
    ),
  );
}

export function locksRootOf(locks: readonly Lock[]): string {
  return locks.length === 0 ? ZeroHash : keccak256(packLocks(locks));
}

export function hashLock(preimage: string): string {
  return sha256(preimage);
}

/** Signs one message of one type, as a signer's key would. */
export function signMessage(
  signer: Signer,
  domain: ReturnType<typeof domainOf>,
  type: SignedType,
  message: Record<string, unknown>,
): Promise<string> {
  return signer.signTypedData(domain, { [type]: SIGNED_TYPES[type] }, message);
}
