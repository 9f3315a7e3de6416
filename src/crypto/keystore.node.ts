import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, open, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { KeystoreError, type KeystoreErrorCode } from "./keystoreError.ts";
import { decryptKeystore, encryptKeystore, type KeystoreSecret, SCRYPT_N } from "./keystoreV3.node.ts";

/** A keystore has about a kilobyte; more is no keystore and is not read into memory. */
const KEYSTORE_BYTES_MAX = 64 * 1024;
const OWNER_ONLY = 0o600;
/** Any right of the group or of others. */
const OTHERS = 0o077;
/** Windows has other rights than mode bits, and no way to sync a folder. */
const HAS_MODES = process.platform !== "win32";

export interface KeystoreOptions {
  /** Cost of guessing the password, a power of two from 2 up to 2^20. 2^17 by default; lower only in tests. */
  readonly scryptN?: number;
  /** Replace what is there, as for a new password. Without it an existing file is an error. */
  readonly replace?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Writes `mnemonic` and its account key, encrypted with `password`, to a V3 keystore that only the owner may read.
 *
 * The file appears whole and synced or not at all. Rejects with `MnemonicError`, {@link KeystoreError} (`exists`,
 * `missing`, `empty_password`, `unwritable`) or the signal's reason.
 */
export async function writeKeystore(
  path: string,
  mnemonic: string,
  password: string,
  options: KeystoreOptions = {},
): Promise<void> {
  const { scryptN = SCRYPT_N, replace = false, signal } = options;
  signal?.throwIfAborted();
  if (password === "") throw new KeystoreError("empty_password", path, "an empty password protects nothing");
  if (!replace) await refuseExisting(path); // a quick answer; `link` below is what makes it certain
  const text = await encryptKeystore(mnemonic, password, scryptN);
  signal?.throwIfAborted();
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}`);
  try {
    await writeSynced(temporary, text);
    if (replace) await rename(temporary, path);
    else await moveWithoutReplacing(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await unlink(temporary).catch(() => undefined); // it may never have been made, or be in place already
    throw systemError(cause, path, "unwritable");
  }
}

/**
 * Reads a V3 keystore, ours or another program's. Rejects with {@link KeystoreError}; with `exposed`, before looking
 * inside, when anyone but the owner has any right on the file.
 */
export async function readKeystore(
  path: string,
  password: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<KeystoreSecret> {
  options.signal?.throwIfAborted();
  const text = await readGuarded(path).catch((cause: unknown) => {
    throw systemError(cause, path, "unreadable");
  });
  options.signal?.throwIfAborted();
  return decryptKeystore(text, password, path);
}

async function refuseExisting(path: string): Promise<void> {
  const existing = await stat(path).catch(() => undefined);
  if (existing !== undefined) throw new KeystoreError("exists", path, "a file is there already");
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", OWNER_ONLY);
  try {
    await file.chmod(OWNER_ONLY); // a strict umask would have left the owner without the right to read or write
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A hard link fails where a name is taken; a rename would replace what another process has just put there. */
async function moveWithoutReplacing(from: string, to: string): Promise<void> {
  await link(from, to);
  await unlink(from);
}

/** The new name itself must survive a power cut. */
async function syncFolder(path: string): Promise<void> {
  if (!HAS_MODES) return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readGuarded(path: string): Promise<string> {
  // Without O_NONBLOCK, opening a pipe would wait for a writer for ever.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    await checkFile(file, path);
    const bytes = Buffer.alloc(KEYSTORE_BYTES_MAX + 1);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead > KEYSTORE_BYTES_MAX) throw new KeystoreError("damaged", path, "too large for a keystore");
    return bytes.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Checks the open file, not its name, so that nothing can be exchanged in between. */
async function checkFile(file: FileHandle, path: string): Promise<void> {
  const status = await file.stat();
  if (!status.isFile()) throw new KeystoreError("not_a_file", path, "not a regular file");
  if (HAS_MODES && (status.mode & OTHERS) !== 0) {
    const mode = (status.mode & 0o777).toString(8).padStart(4, "0");
    throw new KeystoreError(
      "exposed",
      path,
      `others have rights on it (mode ${mode}): chmod 600 it, and ask who read it`,
    );
  }
}

function systemError(cause: unknown, path: string, otherwise: KeystoreErrorCode): unknown {
  if (!(cause instanceof Error) || !("code" in cause) || cause instanceof KeystoreError) return cause;
  if (cause.code === "EEXIST") return new KeystoreError("exists", path, "a file is there already", cause);
  if (cause.code === "ENOENT") return new KeystoreError("missing", path, "no such file or folder", cause);
  return new KeystoreError(otherwise, path, cause.message, cause);
}
