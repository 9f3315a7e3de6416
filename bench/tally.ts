import type { Hex } from "rivulet/protocol";
import { FLAG_REFERENCE, PAYMENT_ID_BYTES, REFERENCE_BYTES, TRANSFER_BYTES } from "rivulet/protocol";
import type { Tally } from "./control.ts";

const FIRST_BYTES = 1 << 20;

/** Where a packed transfer keeps what is tallied; see the packing in `src/protocol/entries.ts`. */
const FLAGS = 1;
const ID = 2;
const AMOUNT = ID + PAYMENT_ID_BYTES;

/** The application's own books: the id of every payment, one after the other, and the sum of their amounts. */
export class PaymentTally {
  #ids = new Uint8Array(FIRST_BYTES);
  #length = 0;
  #amount = 0n;

  /** Adds a payment by its id as hex. */
  addHex(paymentId: Hex, amount: bigint): void {
    this.#makeRoom(PAYMENT_ID_BYTES);
    Buffer.from(this.#ids.buffer).write(paymentId.slice(2), this.#length, "hex");
    this.#length += PAYMENT_ID_BYTES;
    this.#amount += amount;
  }

  /** Adds payments by their packed ids. */
  addIds(ids: Uint8Array, amount: bigint): void {
    this.#makeRoom(ids.length);
    this.#ids.set(ids, this.#length);
    this.#length += ids.length;
    this.#amount += amount;
  }

  /** Adds every payment of packed entries, one by one. */
  addEntries(entries: Uint8Array): void {
    this.#makeRoom(Math.ceil(entries.length / TRANSFER_BYTES) * PAYMENT_ID_BYTES);
    const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength);
    const ids = this.#ids;
    let amount = 0;
    let at = this.#length;
    for (let offset = 0; offset < entries.length; ) {
      for (let i = 0; i < PAYMENT_ID_BYTES; i++) ids[at++] = entries[offset + ID + i]!;
      // Amounts here are small: the low 32 bits are all of it, and the sum of one update stays exact.
      amount += view.getUint32(offset + AMOUNT + 12);
      const flags = entries[offset + FLAGS]!;
      offset += (flags & FLAG_REFERENCE) === 0 ? TRANSFER_BYTES : TRANSFER_BYTES + REFERENCE_BYTES;
    }
    this.#length = at;
    this.#amount += BigInt(amount);
  }

  /** Everything added since the last call. */
  take(): Tally {
    const tally = { ids: this.#ids.slice(0, this.#length), amount: this.#amount };
    this.#length = 0;
    this.#amount = 0n;
    return tally;
  }

  #makeRoom(bytes: number): void {
    if (this.#length + bytes <= this.#ids.length) return;
    const larger = new Uint8Array(Math.max(this.#ids.length * 2, this.#length + bytes));
    larger.set(this.#ids.subarray(0, this.#length));
    this.#ids = larger;
  }
}

/** Throws unless both are the same set of payments, each once, over the same sum. Returns how many there are. */
export function assertSamePayments(sent: Tally, seen: Tally): number {
  const ids = idSet(sent, "sent");
  for (const id of idSet(seen, "seen")) {
    if (!ids.delete(id)) throw new Error(`the payee was told of payment ${hexOf(id)}, which nobody made`);
  }
  const [missing] = ids;
  if (missing !== undefined) {
    throw new Error(`${ids.size} payments never reached the payee, such as ${hexOf(missing)}`);
  }
  if (sent.amount !== seen.amount) throw new Error(`${sent.amount} was sent and ${seen.amount} was seen`);
  return sent.ids.length / PAYMENT_ID_BYTES;
}

function idSet({ ids }: Tally, what: string): Set<string> {
  const bytes = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength);
  const set = new Set<string>();
  for (let at = 0; at < bytes.length; at += PAYMENT_ID_BYTES) {
    const id = bytes.toString("latin1", at, at + PAYMENT_ID_BYTES);
    if (set.has(id)) throw new Error(`payment ${hexOf(id)} was ${what} twice`);
    set.add(id);
  }
  return set;
}

function hexOf(id: string): string {
  return `0x${Buffer.from(id, "latin1").toString("hex")}`;
}

/** The payments of several processes as one. */
export function joinTallies(tallies: readonly Tally[]): Tally {
  const ids = Buffer.concat(tallies.map((tally) => tally.ids));
  return { ids, amount: tallies.reduce((sum, { amount }) => sum + amount, 0n) };
}
