import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  deriveKeys,
  generateMnemonic,
  KeystoreError,
  readKeystore,
  writeKeystore,
} from "../../src/crypto/index.ts";
import { MnemonicError } from "../../src/crypto/mnemonic.ts";

// Curves and key derivation are slow in plain JavaScript, and slower on a busy machine: hung is not slow.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const MNEMONIC = "test test test test test test test test test test test junk";
const PASSWORD = "correct horse";
/** Cheap for tests; what guessing costs is not what they are about. */
const FAST = { scryptN: 2 ** 6 };

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rivulet-keystore-"));
  path = join(folder, "key.json");
});
afterEach(() => rm(folder, { recursive: true }));

async function refusalOf(action: Promise<unknown>): Promise<KeystoreError> {
  const error = await action.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(KeystoreError);
  return error as KeystoreError;
}

const modeOf = async (file: string) => (await stat(file)).mode & 0o777;

describe("writeKeystore", () => {
  it("writes what readKeystore reads, at full strength by default", async () => {
    await writeKeystore(path, MNEMONIC, PASSWORD);
    expect(JSON.parse(await readFile(path, "utf8")).crypto.kdfparams).toMatchObject({
      n: 131_072,
      r: 8,
      p: 1,
    });
    expect(await readKeystore(path, PASSWORD)).toEqual({
      mnemonic: MNEMONIC,
      account: deriveKeys(MNEMONIC).account,
    });
  });

  it("leaves one file, for its owner only, whatever the umask", async () => {
    for (const mask of [0, 0o022, 0o277]) {
      const file = join(folder, `${mask}`);
      const before = process.umask(mask);
      try {
        await writeKeystore(file, MNEMONIC, PASSWORD, FAST);
      } finally {
        process.umask(before);
      }
      expect(await modeOf(file)).toBe(0o600);
    }
    expect(await readdir(folder)).toHaveLength(3);
  });

  it("never overwrites what is there, be it a file, a folder or a dangling link", async () => {
    await writeFile(path, "precious");
    await mkdir(join(folder, "folder"));
    await symlink(join(folder, "nowhere"), join(folder, "link"));
    for (const name of ["key.json", "folder", "link"]) {
      expect((await refusalOf(writeKeystore(join(folder, name), MNEMONIC, PASSWORD, FAST))).code).toBe(
        "exists",
      );
    }
    expect(await readFile(path, "utf8")).toBe("precious");
    expect((await readdir(folder)).sort()).toEqual(["folder", "key.json", "link"]);
  });

  it("lets exactly one of several racing writers win, and the winner's file is whole", async () => {
    const mnemonics = Array.from({ length: 6 }, () => generateMnemonic());
    const results = await Promise.allSettled(
      mnemonics.map((mnemonic) => writeKeystore(path, mnemonic, PASSWORD, FAST)),
    );
    const winners = mnemonics.filter((_, i) => results[i]!.status === "fulfilled");
    expect(winners).toHaveLength(1);
    for (const result of results) if (result.status === "rejected") expect(result.reason.code).toBe("exists");
    expect((await readKeystore(path, PASSWORD)).mnemonic).toBe(winners[0]);
    expect(await readdir(folder)).toEqual(["key.json"]);
  });

  it("replaces when told to, as for a new password, and closes an exposed file that way", async () => {
    await writeKeystore(path, MNEMONIC, PASSWORD, FAST);
    await chmod(path, 0o644);
    await writeKeystore(path, MNEMONIC, "another", { ...FAST, replace: true });
    expect(await modeOf(path)).toBe(0o600);
    expect((await readKeystore(path, "another")).mnemonic).toBe(MNEMONIC);
    expect((await refusalOf(readKeystore(path, PASSWORD))).code).toBe("wrong_password");
    expect(await readdir(folder)).toEqual(["key.json"]);
  });

  it("refuses an empty password and a mnemonic that is none, and leaves nothing", async () => {
    expect((await refusalOf(writeKeystore(path, MNEMONIC, "", FAST))).code).toBe("empty_password");
    await expect(writeKeystore(path, "test junk", PASSWORD, FAST)).rejects.toBeInstanceOf(MnemonicError);
    expect(await readdir(folder)).toEqual([]);
  });

  it("says when the folder is missing or the system refuses, and leaves nothing half done", async () => {
    const nowhere = join(folder, "no", "key.json");
    expect((await refusalOf(writeKeystore(nowhere, MNEMONIC, PASSWORD, FAST))).code).toBe("missing");
    await mkdir(path);
    const onFolder = await refusalOf(writeKeystore(path, MNEMONIC, PASSWORD, { ...FAST, replace: true }));
    expect(onFolder.code).toBe("unwritable");
    expect(onFolder.cause).toBeInstanceOf(Error);
    expect(await readdir(folder)).toEqual(["key.json"]);
  });

  it("stops when its signal aborts, before or during the work, and leaves nothing", async () => {
    const reason = new Error("enough");
    await expect(
      writeKeystore(path, MNEMONIC, PASSWORD, { ...FAST, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
    const abort = new AbortController();
    const writing = writeKeystore(path, MNEMONIC, PASSWORD, { ...FAST, signal: abort.signal });
    abort.abort(reason);
    await expect(writing).rejects.toBe(reason);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("readKeystore", () => {
  it("refuses a file on which anyone else has any right, before looking at the password", async () => {
    await writeKeystore(path, MNEMONIC, PASSWORD, FAST);
    for (const mode of [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666, 0o777]) {
      await chmod(path, mode);
      const refusal = await refusalOf(readKeystore(path, "wrong"));
      expect(refusal.code).toBe("exposed");
      expect(refusal.message).toContain(`0${mode.toString(8)}`);
    }
    for (const mode of [0o600, 0o400, 0o700]) {
      await chmod(path, mode);
      expect((await readKeystore(path, PASSWORD)).mnemonic).toBe(MNEMONIC);
    }
  });

  it("judges the file behind a link, not the link", async () => {
    await writeKeystore(path, MNEMONIC, PASSWORD, FAST);
    const linked = join(folder, "link");
    await symlink(path, linked);
    expect((await readKeystore(linked, PASSWORD)).mnemonic).toBe(MNEMONIC);
    await chmod(path, 0o640);
    expect((await refusalOf(readKeystore(linked, PASSWORD))).code).toBe("exposed");
  });

  it("refuses folders and pipes at once", async () => {
    expect((await refusalOf(readKeystore(folder, PASSWORD))).code).toBe("not_a_file");
    await promisify(execFile)("mkfifo", ["-m", "600", path]);
    expect((await refusalOf(readKeystore(path, PASSWORD))).code).toBe("not_a_file");
  });

  it("says when there is no file, when the system refuses, when it is no keystore", async () => {
    expect((await refusalOf(readKeystore(path, PASSWORD))).code).toBe("missing");
    await writeFile(path, "", { mode: 0o600 });
    expect((await refusalOf(readKeystore(path, PASSWORD))).code).toBe("damaged");
    await writeFile(path, " ".repeat(65_537));
    expect((await refusalOf(readKeystore(path, PASSWORD))).message).toContain("too large");
    expect((await refusalOf(readKeystore(join(path, "below"), PASSWORD))).code).toBe("unreadable");
  });

  it("names the file and not the password in its errors", async () => {
    await writeKeystore(path, MNEMONIC, PASSWORD, FAST);
    const refusal = await refusalOf(readKeystore(path, "my secret guess"));
    expect(refusal).toMatchObject({ code: "wrong_password", fields: { path } });
    expect(JSON.stringify(refusal) + refusal.message).not.toContain("guess");
  });

  it("stops when its signal has aborted", async () => {
    await writeKeystore(path, MNEMONIC, PASSWORD, FAST);
    const reason = new Error("enough");
    await expect(readKeystore(path, PASSWORD, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
