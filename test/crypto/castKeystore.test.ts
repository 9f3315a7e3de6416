import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { deriveKeys, generateMnemonic, readKeystore, writeKeystore } from "../../src/crypto/index.ts";
import { toHex } from "../../src/protocol/bytes.ts";

const CAST = join(
  dirname(createRequire(import.meta.url).resolve("@foundry-rs/cast/package.json")),
  "bin.mjs",
);
const cast = async (...args: string[]) =>
  (await promisify(execFile)(process.execPath, [CAST, "wallet", ...args])).stdout;

describe("keystores and the cast wallet command", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "rivulet-cast-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("cast opens ours, and only with the password", async () => {
    const mnemonic = generateMnemonic();
    await writeKeystore(join(folder, "ours"), mnemonic, "pass word", { scryptN: 2 ** 6 });
    const open = (password: string) =>
      cast("decrypt-keystore", "--keystore-dir", folder, "ours", "--unsafe-password", password);
    expect(await open("pass word")).toContain(toHex(deriveKeys(mnemonic).account));
    expect(await open("password")).toBe(""); // the package's wrapper exits with 0 even when cast fails
  });

  it("ours opens what cast made, once others have no right on it", async () => {
    const { account } = deriveKeys(generateMnemonic());
    const key = ["--private-key", toHex(account), "--unsafe-password", "pass word"];
    await cast("import", "--keystore-dir", folder, "theirs", ...key);
    await expect(readKeystore(join(folder, "theirs"), "pass word")).rejects.toMatchObject({
      code: "exposed",
    });
    await chmod(join(folder, "theirs"), 0o600);
    expect(await readKeystore(join(folder, "theirs"), "pass word")).toEqual({ account, mnemonic: undefined });
  });
});
