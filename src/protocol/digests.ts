import { type Address, addressToBytes } from "./address.ts";
import { putUint256, viewOf } from "./bytes.ts";
import type { Keccak256 } from "./ports.ts";
import type { BalanceProof } from "./proof.ts";

/**
 * EIP-712 digests of everything a signer signs, packed by hand: no typed-data objects and no hex on the payment
 * path. Domain `Rivulet` version `1`, bound to chain and escrow, so that nothing verifies elsewhere.
 */
const TYPES = {
  domain: "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
  balanceProof:
    "BalanceProof(bytes32 channelId,uint64 nonce,uint256 transferred,uint256 locked,bytes32 locksRoot,bytes32 history)",
  endorsement:
    "Endorsement(bytes32 channelId,uint64 nonce,uint256 transferred,uint256 locked,bytes32 locksRoot,bytes32 history)",
  withdrawal: "Withdrawal(bytes32 channelId,address participant,uint256 totalWithdrawn,uint256 deadline)",
  cooperativeClose:
    "CooperativeClose(bytes32 channelId,uint256 transferred0,uint256 transferred1,uint256 deadline)",
  startClose: "StartClose(bytes32 channelId,uint256 deadline)",
  hello: "Hello(bytes peerId,bytes32 challenge)",
  statement: "Statement(bytes32 hash)",
  paymentRequest: "PaymentRequest(bytes content)",
} as const;

export interface Withdrawal {
  readonly participant: Address;
  readonly totalWithdrawn: bigint;
  readonly deadline: bigint;
}

export interface CooperativeClose {
  readonly transferred0: bigint;
  readonly transferred1: bigint;
  readonly deadline: bigint;
}

const ascii = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** One struct's words behind its typehash, in a buffer of its own that every digest reuses. */
class StructBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  constructor(typehash: Uint8Array, words: number) {
    this.bytes = new Uint8Array(32 * (words + 1));
    this.bytes.set(typehash);
    this.view = viewOf(this.bytes);
  }
}

/** The digests of one domain. Synchronous and not re-entrant; the buffers are reused between calls. */
export class Digests {
  readonly domainSeparator: Uint8Array;
  readonly #keccak256: Keccak256;
  readonly #final = new Uint8Array(2 + 32 + 32);
  readonly #balanceProof: StructBuffer;
  readonly #endorsement: StructBuffer;
  readonly #withdrawal: StructBuffer;
  readonly #cooperativeClose: StructBuffer;
  readonly #startClose: StructBuffer;
  readonly #hello: StructBuffer;
  readonly #statement: StructBuffer;
  readonly #paymentRequest: StructBuffer;

  constructor(chainId: bigint, escrow: Address, keccak256: Keccak256) {
    this.#keccak256 = keccak256;
    const struct = (type: string, words: number) => new StructBuffer(keccak256(ascii(type)), words);
    const domain = struct(TYPES.domain, 4);
    domain.bytes.set(keccak256(ascii("Rivulet")), 32);
    domain.bytes.set(keccak256(ascii("1")), 64);
    putUint256(domain.view, 96, chainId);
    domain.bytes.set(addressToBytes(escrow), 128 + 12);
    this.domainSeparator = keccak256(domain.bytes);
    this.#final[0] = 0x19;
    this.#final[1] = 0x01;
    this.#final.set(this.domainSeparator, 2);
    this.#balanceProof = struct(TYPES.balanceProof, 6);
    this.#endorsement = struct(TYPES.endorsement, 6);
    this.#withdrawal = struct(TYPES.withdrawal, 4);
    this.#cooperativeClose = struct(TYPES.cooperativeClose, 4);
    this.#startClose = struct(TYPES.startClose, 2);
    this.#hello = struct(TYPES.hello, 2);
    this.#statement = struct(TYPES.statement, 1);
    this.#paymentRequest = struct(TYPES.paymentRequest, 1);
  }

  balanceProof(channelId: Uint8Array, proof: BalanceProof): Uint8Array {
    return this.#proofDigest(this.#balanceProof, channelId, proof);
  }

  endorsement(channelId: Uint8Array, proof: BalanceProof): Uint8Array {
    return this.#proofDigest(this.#endorsement, channelId, proof);
  }

  withdrawal(channelId: Uint8Array, withdrawal: Withdrawal): Uint8Array {
    const { bytes, view } = this.#withdrawal;
    bytes.set(channelId, 32);
    bytes.set(addressToBytes(withdrawal.participant), 64 + 12);
    putUint256(view, 96, withdrawal.totalWithdrawn);
    putUint256(view, 128, withdrawal.deadline);
    return this.#finish(bytes);
  }

  cooperativeClose(channelId: Uint8Array, close: CooperativeClose): Uint8Array {
    const { bytes, view } = this.#cooperativeClose;
    bytes.set(channelId, 32);
    putUint256(view, 64, close.transferred0);
    putUint256(view, 96, close.transferred1);
    putUint256(view, 128, close.deadline);
    return this.#finish(bytes);
  }

  startClose(channelId: Uint8Array, deadline: bigint): Uint8Array {
    const { bytes, view } = this.#startClose;
    bytes.set(channelId, 32);
    putUint256(view, 64, deadline);
    return this.#finish(bytes);
  }

  /** What a node signs to prove that the libp2p peer `peerId` speaks for its signer, over the other side's challenge. */
  hello(peerId: Uint8Array, challenge: Uint8Array): Uint8Array {
    const { bytes } = this.#hello;
    bytes.set(this.#keccak256(peerId), 32);
    bytes.set(challenge, 64);
    return this.#finish(bytes);
  }

  /** What a node signs under a statement of its books; `hash` covers all of its records. */
  statement(hash: Uint8Array): Uint8Array {
    const { bytes } = this.#statement;
    bytes.set(hash, 32);
    return this.#finish(bytes);
  }

  /** What a recipient signs to ask for a payment: the request's version and fields, as packed in its string. */
  paymentRequest(content: Uint8Array): Uint8Array {
    const { bytes } = this.#paymentRequest;
    bytes.set(this.#keccak256(content), 32);
    return this.#finish(bytes);
  }

  #proofDigest({ bytes, view }: StructBuffer, channelId: Uint8Array, proof: BalanceProof): Uint8Array {
    bytes.set(channelId, 32);
    putUint256(view, 64, proof.nonce);
    putUint256(view, 96, proof.transferred);
    putUint256(view, 128, proof.locked);
    bytes.set(proof.locksRoot, 160);
    bytes.set(proof.history, 192);
    return this.#finish(bytes);
  }

  #finish(struct: Uint8Array): Uint8Array {
    this.#final.set(this.#keccak256(struct), 34);
    return this.#keccak256(this.#final);
  }
}
