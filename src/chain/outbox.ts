import { ChainError } from "./error.ts";
import { type IntentRecord, intentFromJson, type Outcome } from "./intent.ts";
import type { Journal } from "./journal.ts";

/** Finished intents that are sent again should a reorganisation free their nonce; more than a node sends in such a time. */
const MAX_RECENT = 64;

interface NoncesRecord {
  /** The next nonce to give. */
  readonly next: number;
  /** Ids of intents that are signed and not over. */
  readonly open: readonly string[];
  readonly recent: readonly { readonly id: string; readonly nonce: number }[];
  /** The last time a nonce was given beyond the next, since others had used those between: what was next, what was given. */
  readonly jump?: { readonly from: number; readonly to: number } | undefined;
  /** Beyond the highest of ours that was mined; absent: as `next`. */
  readonly proven?: number;
}

/**
 * The account's nonces and the intents they were given to, on disk before anything leaves.
 * Nothing here talks to the chain.
 */
export class Outbox {
  readonly #journal: Journal;
  #nonces: NoncesRecord = { next: 0, open: [], recent: [], proven: 0 };

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Reads the journal; the open intents, by nonce. Throws `journal_damaged`. */
  async load(): Promise<IntentRecord[]> {
    const nonces = (await this.#journal.read(NONCES)) as NoncesRecord | undefined;
    if (nonces === undefined) return [];
    this.#nonces = nonces;
    const open: IntentRecord[] = [];
    for (const id of nonces.open) {
      const record = await this.find(id);
      if (record === undefined) {
        throw new ChainError({ code: "journal_damaged", record: `intent/${id}`, reason: "missing" });
      }
      open.push(record);
    }
    return open.sort((a, b) => a.nonce - b.nonce);
  }

  get next(): number {
    return this.#nonces.next;
  }

  /** The nonces before it are used for certain: one of ours behind them was mined. */
  get proven(): number {
    return this.#nonces.proven ?? this.#nonces.next;
  }

  /** The intent ever signed under `id`. */
  async find(id: string): Promise<IntentRecord | undefined> {
    const json = await this.#journal.read(`intent/${id}`);
    return json === undefined ? undefined : intentFromJson(json);
  }

  /** Writes an intent whose attempt is about to leave; takes its nonce if it is new. */
  async save(record: IntentRecord): Promise<void> {
    const { next, open, recent, jump } = this.#nonces;
    const { nonce } = record;
    const nonces = {
      proven: this.proven,
      next: Math.max(next, nonce + 1),
      jump: nonce > next ? { from: next, to: nonce } : jump,
      open: open.includes(record.id) ? open : [...open, record.id],
      recent: recent.filter(({ id }) => id !== record.id),
    };
    await this.#write(record, nonces);
  }

  /** Writes how an intent ended. */
  async finish(record: IntentRecord, outcome: Outcome): Promise<void> {
    const { next, open, recent, jump } = this.#nonces;
    // A nonce that someone else used must not be fought for again: its content may have been given another.
    const resendable = outcome.ok || outcome.code !== "nonce_taken";
    const entry = resendable ? [{ id: record.id, nonce: record.nonce }] : [];
    const nonces = {
      proven: resendable ? Math.max(this.proven, record.nonce + 1) : this.proven,
      next,
      jump,
      open: open.filter((id) => id !== record.id),
      recent: [...recent, ...entry].slice(-MAX_RECENT),
    };
    await this.#write({ ...record, outcome }, nonces);
  }

  /**
   * Writes that the newest intent, given a nonce beyond what was next, is over without having used it: the next to be given
   * is `count` again, or what was next then. False, and nothing written, when it is not the newest or made no such jump.
   */
  async takeBack(record: IntentRecord, outcome: Outcome, count: number): Promise<boolean> {
    const { next, open, recent, jump } = this.#nonces;
    const { id, nonce } = record;
    if (!open.includes(id)) return true; // a write that failed took after all
    if (jump?.to !== nonce || next !== nonce + 1) return false;
    const nonces = {
      proven: this.proven,
      next: Math.max(jump.from, count),
      jump: undefined,
      open: open.filter((other) => other !== id),
      recent,
    };
    await this.#write({ ...record, outcome }, nonces);
    return true;
  }

  /** Finished intents whose nonce the chain, at `count`, no longer counts as used; oldest first. */
  async freedBy(count: number): Promise<IntentRecord[]> {
    const freed: IntentRecord[] = [];
    for (const { id, nonce } of this.#nonces.recent) {
      const record = nonce >= count ? await this.find(id) : undefined;
      if (record !== undefined) freed.push(record);
    }
    return freed.sort((a, b) => a.nonce - b.nonce);
  }

  async #write(record: IntentRecord, nonces: NoncesRecord): Promise<void> {
    await this.#journal.write({ [`intent/${record.id}`]: record, [NONCES]: nonces });
    this.#nonces = nonces;
  }
}

const NONCES = "nonces";
