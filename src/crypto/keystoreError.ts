/**
 * Why a keystore was not written or read.
 *
 * | code | meaning |
 * |---|---|
 * | `exists` | a file is there already; nothing was touched |
 * | `missing` | no file there, or no folder to write it to |
 * | `exposed` | others may read or change the file |
 * | `not_a_file` | a folder, pipe or device |
 * | `empty_password` | refused when writing |
 * | `wrong_password` | the password does not fit; for a file without our checksum also possibly damage |
 * | `damaged` | not what was written |
 * | `unsupported` | whole, but in a form this node does not read |
 * | `unreadable`, `unwritable` | the operating system said no; see `cause` |
 */
export type KeystoreErrorCode =
  | "exists"
  | "missing"
  | "exposed"
  | "not_a_file"
  | "empty_password"
  | "wrong_password"
  | "damaged"
  | "unsupported"
  | "unreadable"
  | "unwritable";

export class KeystoreError extends Error {
  override readonly name = "KeystoreError";
  readonly code: KeystoreErrorCode;
  readonly fields: { readonly path: string; readonly detail: string };

  constructor(code: KeystoreErrorCode, path: string, detail: string, cause?: unknown) {
    super(`keystore ${path}: ${detail}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.fields = { path, detail };
  }
}
