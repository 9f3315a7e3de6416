import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type Address,
  type ChannelId,
  type ChannelState,
  type Crypto,
  channelIdOf,
  checkChannel,
  type Digests,
  isCounterparty,
  newChannelState,
  type SignedProof,
} from "../../protocol/index.ts";
import { BackupError } from "./backupError.ts";
import { type CopiedProof, isCopyName, readCopy, readHeartbeat } from "./proofCopyFile.ts";

interface Ground {
  readonly chainId: bigint;
  readonly escrow: Address;
  readonly crypto: Crypto;
  readonly digests: Digests;
}

/** The proofs in the second place, each believed only if its channel's other side signed it. */
export class Copies {
  readonly #copies = new Map<ChannelId, CopiedProof>();
  /** Unix milliseconds: when all copies were last known to be the newest. */
  #heartbeat = 0;
  readonly #taken = new Set<ChannelId>();
  readonly unused: { readonly name: string; readonly reason: string }[] = [];

  static async read(directory: string | undefined, secret: Uint8Array, ground: Ground): Promise<Copies> {
    const copies = new Copies();
    if (directory === undefined) return copies;
    const names = await readdir(directory).catch((cause: unknown) => {
      throw new BackupError("proof_copy_unreadable", String(cause), { cause });
    });
    for (const name of names.filter(isCopyName)) {
      const copy = await readCopy(join(directory, name), secret);
      const reason = copy === undefined ? "damaged, or another node's" : problemOf(copy, ground);
      if (copy === undefined || reason !== undefined) copies.unused.push({ name, reason: reason! });
      else copies.#copies.set(copy.channelId, copy);
    }
    copies.#heartbeat = (await readHeartbeat(directory, secret)) ?? 0;
    return copies;
  }

  /** The newer proof of a channel that the backup has, or undefined. */
  take(state: ChannelState): SignedProof | undefined {
    this.#taken.add(state.id);
    const copy = this.#copies.get(state.id);
    if (copy === undefined || copy.proof.nonce <= state.received.nonce) return undefined;
    return copy.proof.transferred < state.received.transferred ? undefined : copy.proof;
  }

  /** Channels that were opened after the backup. */
  *rest(): Generator<ChannelState> {
    for (const [id, copy] of this.#copies) if (!this.#taken.has(id)) yield adopt(stateOf(copy), copy.proof);
  }

  /** Unix seconds: what a channel had received by then is in its newest proof, given one of `known`. */
  provenThrough(id: ChannelId, known: number): number {
    const copied = this.#copies.get(id)?.time ?? 0;
    // A copy that cannot be used may have been the newest of any channel.
    const beat = this.unused.length === 0 ? this.#heartbeat : 0;
    return Math.max(known, Math.floor(Math.max(copied, beat) / 1000));
  }
}

/**
 * Takes a newer incoming proof without the payments that led to it: the total is proven and the chain pays it, the
 * single payments of the gap cannot be listed any more.
 */
export function adopt(state: ChannelState, proof: SignedProof): ChannelState {
  const wasWhole = state.accepted === state.received.nonce;
  return { ...state, received: proof, accepted: wasWhole ? proof.nonce : state.accepted };
}

function stateOf({ channelId, channel, side }: CopiedProof): ChannelState {
  return newChannelState(channelId, channel, side);
}

function problemOf(copy: CopiedProof, { chainId, escrow, crypto, digests }: Ground): string | undefined {
  const { channel, channelId, proof } = copy;
  if (checkChannel(channel) !== undefined) return "no channel";
  if (channelIdOf(channel, chainId, escrow, crypto.keccak256) !== channelId) return "another network's";
  const state = stateOf(copy);
  const ports = { crypto, digests, signerKey: new Uint8Array(32) };
  const isSigned = isCounterparty(state, digests.balanceProof(state.idBytes, proof), proof.signature, ports);
  return isSigned ? undefined : "not signed by the other side";
}
