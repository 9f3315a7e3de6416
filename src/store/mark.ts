import { randomBytes } from "node:crypto";
import { closeSync, fdatasync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { getUint64, setSafeUint64 } from "./commitRecord.ts";

const MAGIC = 0x52564c4d; // "RVLM"
const SLOT_BYTES = 48;
/** The two slots lie in different sectors, so that a write cut short spoils one of them only. */
const SLOT_DISTANCE = 4096;
const ID_BYTES = 16;

/** How long a mark may stay in the operating system's memory: a power cut loses that much of it, a kill nothing. */
const MARK_SYNC_MS = 1000;

/** What stands outside LevelDB about a database: what it must at least contain. */
export interface MarkState {
  /** The database's own number, made when it was created. */
  readonly id: Uint8Array;
  /** The newest schema this database has, or is about to be migrated to. */
  readonly schema: number;
  /** The highest commit known to be durable. */
  readonly sequence: number;
}

/** The high-water mark as the committer and the opening of a database use it. */
export interface Mark {
  readonly state: MarkState;
  /** Raises the mark: this commit is durable in the store. Throws what the disk throws. */
  record(sequence: number): void;
  /** Says which schema the database is about to have, durably, before it has it. */
  setSchema(schema: number): void;
  close(): void;
}

/** A mark without a file, for stores without a disk. */
export class MemoryMark implements Mark {
  state: MarkState;

  constructor(state: MarkState) {
    this.state = state;
  }

  record(sequence: number): void {
    this.state = { ...this.state, sequence };
  }

  setSchema(schema: number): void {
    this.state = { ...this.state, schema };
  }

  close(): void {}
}

/** The state of a database that does not exist yet. */
export function newMarkState(schema: number): MarkState {
  return { id: Uint8Array.from(randomBytes(ID_BYTES)), schema, sequence: 0 };
}

/**
 * A mark in a file of two slots, written in turn. Each write goes to the operating system at once, so a killed
 * process leaves it exact; it is synced at a bounded interval and on closing.
 */
export class MarkFile implements Mark {
  readonly #fd: number;
  readonly #slot = Buffer.alloc(SLOT_BYTES);
  #state: MarkState;
  #generation: number;
  #timer: NodeJS.Timeout | undefined;

  private constructor(fd: number, state: MarkState, generation: number) {
    this.#fd = fd;
    this.#state = state;
    this.#generation = generation;
  }

  /** Creates or overwrites the file, durably; the caller syncs the directory. */
  static create(path: string, state: MarkState): MarkFile {
    const fd = openSync(path, "w", 0o600);
    const mark = new MarkFile(fd, state, 0);
    mark.#write();
    mark.#write();
    fdatasyncSync(fd);
    return mark;
  }

  /** Opens an existing file, or undefined when there is none or neither slot is whole. */
  static open(path: string): MarkFile | undefined {
    const slots = readSlots(path);
    if (slots === undefined) return undefined;
    return new MarkFile(openSync(path, "r+"), slots.state, slots.generation);
  }

  get state(): MarkState {
    return this.#state;
  }

  record(sequence: number): void {
    this.#state = { ...this.#state, sequence };
    this.#write();
    if (this.#timer === undefined) this.#timer = setTimeout(this.#sync, MARK_SYNC_MS).unref();
  }

  setSchema(schema: number): void {
    this.#state = { ...this.#state, schema };
    this.#write();
    fdatasyncSync(this.#fd);
  }

  close(): void {
    clearTimeout(this.#timer);
    fdatasyncSync(this.#fd);
    closeSync(this.#fd);
  }

  readonly #sync = (): void => {
    // A failure costs only how old the mark is after a power cut, and shows again in the database's own sync.
    fdatasync(this.#fd, () => {
      this.#timer = undefined;
    });
  };

  #write(): void {
    this.#generation += 1;
    const slot = this.#slot;
    const view = new DataView(slot.buffer, slot.byteOffset, SLOT_BYTES);
    view.setUint32(0, MAGIC);
    view.setUint32(4, this.#state.schema);
    slot.set(this.#state.id, 8);
    setSafeUint64(view, 24, this.#generation);
    setSafeUint64(view, 32, this.#state.sequence);
    view.setUint32(44, crc32(slot.subarray(0, 44)));
    writeSync(this.#fd, slot, 0, SLOT_BYTES, (this.#generation % 2) * SLOT_DISTANCE);
  }
}

/** The newer whole slot of a mark file, without opening it for writing. */
export function readSlots(path: string): { state: MarkState; generation: number } | undefined {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const slots = [0, SLOT_DISTANCE].map((offset) => readSlot(bytes.subarray(offset, offset + SLOT_BYTES)));
  return slots.filter((slot) => slot !== undefined).sort((a, b) => b.generation - a.generation)[0];
}

function readSlot(slot: Uint8Array): { state: MarkState; generation: number } | undefined {
  if (slot.length < SLOT_BYTES) return undefined;
  const view = new DataView(slot.buffer, slot.byteOffset, SLOT_BYTES);
  if (view.getUint32(0) !== MAGIC || view.getUint32(44) !== crc32(slot.subarray(0, 44))) return undefined;
  return {
    state: { id: slot.slice(8, 24), schema: view.getUint32(4), sequence: getUint64(view, 32) },
    generation: getUint64(view, 24),
  };
}
