import { MAX_ENTRIES_BYTES } from "../protocol/entries.ts";
import { MAX_LOCKS, PACKED_LOCK_BYTES } from "../protocol/lock.ts";

/** Room for everything in an update beside its entries: ids, proof, signature and tags need less than 400 bytes. */
const ENVELOPE_BYTES = 1024;

/** The largest message: a whole batch of entries and its envelope. What one peer can make us hold before we look. */
export const MAX_MESSAGE_BYTES = MAX_ENTRIES_BYTES + ENVELOPE_BYTES;

/** The packed list of the most locks a proof may carry. */
export const MAX_LOCKS_BYTES = MAX_LOCKS * PACKED_LOCK_BYTES;

/**
 * Every message without entries or locks. The largest honest ones are `Hello` with all its features and an `Error`
 * with all its fields; a parser is never made to walk more than this for them.
 */
export const MAX_SMALL_MESSAGE_BYTES = 8 * 1024;

/** Protocol extensions one side can name. */
export const MAX_FEATURES = 32;
/** A feature's name, a code, a field's name: short identifiers that logs and metrics can take as they are. */
export const MAX_NAME_LENGTH = 64;
/** Fields of a refusal or an error. The richest code has four. */
export const MAX_FIELDS = 16;
/** A field's value: a uint256 in decimal has 78 digits, a channel id 66 characters; more is a reason in words. */
export const MAX_VALUE_LENGTH = 256;

export const CHALLENGE_BYTES = 32;
export const SIGNATURE_BYTES = 65;
export const HASH_BYTES = 32;
export const ADDRESS_BYTES = 20;
