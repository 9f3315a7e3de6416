/**
 * Why a backup was not written or not restored.
 *
 * | code | meaning |
 * |---|---|
 * | `backup_password_empty` | refused when writing |
 * | `backup_password_wrong` | the file is whole at its head, and the password does not open it |
 * | `backup_foreign` | no backup of Rivulet's |
 * | `backup_newer` | written by a version whose files or database this one does not know |
 * | `backup_damaged` | not what was written |
 * | `backup_truncated` | its end is missing |
 * | `old_node_unconfirmed` | nobody confirmed that the node it was taken from is gone |
 * | `proof_copy_unreadable` | the second place cannot be read |
 * | `target_not_empty` | something is where the database would go |
 */
export type BackupErrorCode =
  | "backup_password_empty"
  | "backup_password_wrong"
  | "backup_foreign"
  | "backup_newer"
  | "backup_damaged"
  | "backup_truncated"
  | "old_node_unconfirmed"
  | "proof_copy_unreadable"
  | "target_not_empty";

const EXPLANATIONS: Readonly<Record<BackupErrorCode, string>> = {
  backup_password_empty: "a backup needs a password",
  backup_password_wrong: "the password does not open this backup",
  backup_foreign: "this is no backup of Rivulet's",
  backup_newer: "a newer version wrote this backup: restore it with that one",
  backup_damaged: "the backup is damaged; nothing was restored",
  backup_truncated: "the end of the backup is missing; nothing was restored",
  old_node_unconfirmed:
    "two nodes of one mnemonic lose money: confirm that the node this backup was taken from will never run again",
  proof_copy_unreadable: "the copies of incoming proofs cannot be read; nothing was restored",
  target_not_empty: "something is where the database would go; it was left alone",
};

/** A refusal of backup or restore. Nothing was changed. */
export class BackupError extends Error {
  override readonly name = "BackupError";
  readonly code: BackupErrorCode;
  readonly fields: Readonly<Record<string, string>>;

  constructor(code: BackupErrorCode, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? EXPLANATIONS[code] : `${EXPLANATIONS[code]} (${detail})`, options);
    this.code = code;
    this.fields = detail === undefined ? {} : { detail };
  }
}
