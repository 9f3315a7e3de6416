import { channelSequence, setChannelSequence } from "../../src/store/channelSequence.ts";
import type { Database } from "../../src/store/database.ts";
import {
  channelKey,
  channelRange,
  KEYSPACE,
  prefixRange,
  updateKey,
  updateRange,
} from "../../src/store/keys.ts";
import type { Op } from "../../src/store/store.ts";

/**
 * Writes as a node does, so that what is lost, torn apart or out of order shows: commit `n` of channel `c` puts its
 * record with sequence n, its update n, and an entry of one journal numbered over all channels.
 */
export class LedgerWriter {
  readonly #database: Database;
  readonly #channels: number[];
  #journal: number;

  private constructor(database: Database, channels: number[], journal: number) {
    this.#database = database;
    this.#channels = channels;
    this.#journal = journal;
  }

  static async on(database: Database, channels: number): Promise<LedgerWriter> {
    const { sequences, journal } = await readLedger(database);
    return new LedgerWriter(
      database,
      Array.from({ length: channels }, (_, c) => sequences.get(c) ?? 0),
      journal,
    );
  }

  /** Commits once more to a channel; resolves with what is then acknowledged: channel and sequence. */
  async commit(channel: number, sync: boolean): Promise<readonly [number, number]> {
    const sequence = this.#channels[channel]! + 1;
    this.#channels[channel] = sequence;
    this.#journal += 1;
    const record = new Uint8Array(300 + (sequence % 200));
    setChannelSequence(record, sequence);
    const ops: Op[] = [
      { type: "put", key: channelKey(channelId(channel)), value: record },
      {
        type: "put",
        key: updateKey(channelId(channel), 0, BigInt(sequence)),
        value: new Uint8Array(120).fill(sequence),
      },
      { type: "put", key: journalKey(this.#journal), value: Uint8Array.of(channel) },
    ];
    await this.#database.committer.commit(ops, { sync });
    return [channel, sequence];
  }
}

/** `chain ‖ number`: sorted by number. */
function journalKey(number: number): Uint8Array {
  const key = new Uint8Array(9);
  key[0] = KEYSPACE.chain;
  new DataView(key.buffer).setBigUint64(1, BigInt(number));
  return key;
}

export function channelId(channel: number): Uint8Array {
  const id = new Uint8Array(32).fill(channel);
  new DataView(id.buffer).setUint32(0, channel);
  return id;
}

export interface Ledger {
  /** Channel → sequence of its record. */
  readonly sequences: ReadonlyMap<number, number>;
  /** Length of the journal. */
  readonly journal: number;
}

/** What a database holds. Throws if it is not what some prefix of the commits left. */
export async function readLedger(database: Database): Promise<Ledger> {
  const sequences = new Map<number, number>();
  for await (const [key, payload] of database.store.range(channelRange())) {
    sequences.set(new DataView(key.buffer, key.byteOffset).getUint32(1), channelSequence(payload));
  }
  for (const [channel, sequence] of sequences) {
    let updates = 0;
    for await (const [key, payload] of database.store.range(updateRange(channelId(channel), 0, 0n))) {
      updates += 1;
      const nonce = new DataView(key.buffer, key.byteOffset).getBigUint64(34);
      if (nonce !== BigInt(updates) || payload[5] !== updates % 256)
        throw new Error(`channel ${channel} lacks update ${updates}`);
    }
    if (updates !== sequence)
      throw new Error(`channel ${channel} has sequence ${sequence} and ${updates} updates`);
  }
  let journal = 0;
  for await (const [key] of database.store.range(prefixRange(Uint8Array.of(KEYSPACE.chain)))) {
    journal += 1;
    const number = new DataView(key.buffer, key.byteOffset).getBigUint64(1);
    if (number !== BigInt(journal))
      throw new Error(`commit ${journal} is missing where ${number} is present`);
  }
  const commits = [...sequences.values()].reduce((sum, sequence) => sum + sequence, 0);
  if (commits !== journal) throw new Error(`${commits} commits to channels and ${journal} in the journal`);
  return { sequences, journal };
}
