import { PROOF_TOTAL_LIMIT } from "./amount.ts";
import { putUint128, readUint128, viewOf } from "./bytes.ts";
import { type Refusal, refuse } from "./refusal.ts";

/**
 * The packed entries of an update: one fixed big-endian packing, hashed into `history` and carried on the wire
 * as it is.
 *
 * | entry | bytes |
 * |---|---|
 * | Transfer | `01 ‖ flags(1) ‖ paymentId(16) ‖ amount(16) ‖ [reference(32)]` |
 * | AddLock | `02 ‖ id(8) ‖ amount(16) ‖ expiry(8) ‖ hash(32) ‖ length(2) ‖ payload(length)` |
 * | Unlock | `03 ‖ lockId(8) ‖ preimage(32)` |
 * | RemoveLock | `04 ‖ lockId(8)` |
 */
export const ENTRY_TRANSFER = 1;
export const ENTRY_ADD_LOCK = 2;
export const ENTRY_UNLOCK = 3;
export const ENTRY_REMOVE_LOCK = 4;

/** Flags of a Transfer. */
export const FLAG_REFERENCE = 1;
/** This transfer returns an earlier one, named by the reference; a refund is never refunded. */
export const FLAG_REFUND = 2;
/** The id was given by the application, so both sides index it and it is idempotent for ever. */
export const FLAG_APPLICATION_ID = 4;
const KNOWN_FLAGS = FLAG_REFERENCE | FLAG_REFUND | FLAG_APPLICATION_ID;

export const PAYMENT_ID_BYTES = 16;
export const REFERENCE_BYTES = 32;
export const TRANSFER_BYTES = 2 + PAYMENT_ID_BYTES + 16;

/** 128 KiB: about 3,800 transfers per signature, and a frame that a peer can be made to buffer without harm. */
export const MAX_ENTRIES_BYTES = 128 * 1024;

export interface Transfer {
  readonly paymentId: Uint8Array;
  readonly amount: bigint;
  /** 32 bytes that tie the payment to something outside: an order, a request, the payment being refunded. */
  readonly reference?: Uint8Array | undefined;
  readonly applicationId: boolean;
  readonly refund: boolean;
}

/** Bytes that {@link writeTransfer} will need. */
export function transferBytes(reference: Uint8Array | undefined): number {
  return reference === undefined ? TRANSFER_BYTES : TRANSFER_BYTES + REFERENCE_BYTES;
}

/** Writes one Transfer at `offset` and returns the offset behind it. The caller has checked lengths and amount. */
export function writeTransfer(
  target: Uint8Array,
  view: DataView,
  offset: number,
  transfer: Transfer,
): number {
  let flags = 0;
  if (transfer.reference !== undefined) flags |= FLAG_REFERENCE;
  if (transfer.refund) flags |= FLAG_REFUND;
  if (transfer.applicationId) flags |= FLAG_APPLICATION_ID;
  target[offset] = ENTRY_TRANSFER;
  target[offset + 1] = flags;
  target.set(transfer.paymentId, offset + 2);
  putUint128(view, offset + 18, transfer.amount);
  if (transfer.reference === undefined) return offset + TRANSFER_BYTES;
  target.set(transfer.reference, offset + TRANSFER_BYTES);
  return offset + TRANSFER_BYTES + REFERENCE_BYTES;
}

export function packTransfers(transfers: readonly Transfer[]): Uint8Array {
  const size = transfers.reduce((sum, transfer) => sum + transferBytes(transfer.reference), 0);
  const packed = new Uint8Array(size);
  const view = viewOf(packed);
  let offset = 0;
  for (const transfer of transfers) offset = writeTransfer(packed, view, offset, transfer);
  return packed;
}

/** What an update's entries do to its proof. */
export interface EntriesEffect {
  readonly ok: true;
  readonly count: number;
  readonly transferred: bigint;
}

function malformed(offset: number, reason: string): Refusal {
  return refuse("entries_malformed", { offset: BigInt(offset), reason });
}

/** The length of the Transfer at `offset`, or why it is none. */
function checkTransfer(entries: Uint8Array, offset: number): number | Refusal {
  if (entries.length - offset < TRANSFER_BYTES) return malformed(offset, "truncated");
  const flags = entries[offset + 1]!;
  if ((flags & ~KNOWN_FLAGS) !== 0) return malformed(offset, "unknown flags");
  if ((flags & FLAG_REFUND) !== 0 && (flags & FLAG_REFERENCE) === 0)
    return malformed(offset, "refund of nothing");
  if ((flags & FLAG_REFERENCE) === 0) return TRANSFER_BYTES;
  if (entries.length - offset < TRANSFER_BYTES + REFERENCE_BYTES) return malformed(offset, "truncated");
  return TRANSFER_BYTES + REFERENCE_BYTES;
}

/**
 * Checks packed entries whole and adds them up. Refuses what is malformed, empty, larger than
 * {@link MAX_ENTRIES_BYTES}, moves nothing, or holds lock entries beyond the limit this node announced (none).
 */
export function checkEntries(entries: Uint8Array): EntriesEffect | Refusal {
  if (entries.length === 0) return malformed(0, "empty");
  if (entries.length > MAX_ENTRIES_BYTES) return malformed(0, "too large");
  const view = viewOf(entries);
  let transferred = 0n;
  let count = 0;
  for (let offset = 0; offset < entries.length; count++) {
    const kind = entries[offset];
    if (kind !== ENTRY_TRANSFER) {
      const isLock = kind === ENTRY_ADD_LOCK || kind === ENTRY_UNLOCK || kind === ENTRY_REMOVE_LOCK;
      return isLock ? refuse("lock_limit_exceeded", { limit: 0n }) : malformed(offset, "unknown entry");
    }
    const length = checkTransfer(entries, offset);
    if (typeof length !== "number") return length;
    const amount = readUint128(view, offset + 18);
    if (amount === 0n) return malformed(offset, "zero amount");
    transferred += amount;
    offset += length;
  }
  if (transferred >= PROOF_TOTAL_LIMIT) return malformed(0, "sum overflows");
  return { ok: true, count, transferred };
}

/**
 * Walks entries that {@link checkEntries} accepted, in order, without building a list. The transfer's byte arrays
 * are views into `entries`.
 */
export function* readTransfers(entries: Uint8Array): Generator<Transfer> {
  const view = viewOf(entries);
  for (let offset = 0; offset < entries.length; ) {
    const flags = entries[offset + 1]!;
    const hasReference = (flags & FLAG_REFERENCE) !== 0;
    const end = offset + TRANSFER_BYTES + (hasReference ? REFERENCE_BYTES : 0);
    yield {
      paymentId: entries.subarray(offset + 2, offset + 18),
      amount: readUint128(view, offset + 18),
      reference: hasReference ? entries.subarray(offset + TRANSFER_BYTES, end) : undefined,
      applicationId: (flags & FLAG_APPLICATION_ID) !== 0,
      refund: (flags & FLAG_REFUND) !== 0,
    };
    offset = end;
  }
}
