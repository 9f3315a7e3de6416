import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { passwordIn } from "../../src/cli/files.ts";
import { takeSecrets } from "../../src/cli/secrets.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "rivulet-secrets-"));
});
afterEach(() => {
  delete process.env.CREDENTIALS_DIRECTORY;
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function fileOf(mode: number, text = "correct horse\n"): Promise<string> {
  const file = join(directory, "password");
  await writeFile(file, text);
  await chmod(file, mode);
  return file;
}

it("passwords leave the environment when they are taken", () => {
  const env = { RIVULET_PASSWORD: "a", RIVULET_BACKUP_PASSWORD: "b", RIVULET_TOKEN: "t", HOME: "/" };
  expect(takeSecrets(env)).toEqual({ password: "a", backupPassword: "b", newPassword: undefined });
  expect(env).toEqual({ RIVULET_TOKEN: "t", HOME: "/" });
});

describe("a password's file", () => {
  it.each([0o600, 0o400])("of mode %o is read, without the end of its line", async (mode) => {
    expect(await passwordIn(await fileOf(mode))).toBe("correct horse");
  });

  it.each([0o640, 0o604, 0o660, 0o644])("of mode %o is refused", async (mode) => {
    await expect(passwordIn(await fileOf(mode))).rejects.toThrow("others may read the password");
  });

  it("that is a credential of the service may say so by its mode", async () => {
    const file = await fileOf(0o440);
    process.env.CREDENTIALS_DIRECTORY = join(directory, "elsewhere");
    await expect(passwordIn(file)).rejects.toThrow("others may read the password");
    process.env.CREDENTIALS_DIRECTORY = directory;
    expect(await passwordIn(file)).toBe("correct horse");
  });

  it("that is empty or not there is refused", async () => {
    await expect(passwordIn(await fileOf(0o600, "\n"))).rejects.toThrow("is empty");
    await expect(passwordIn(join(directory, "none"))).rejects.toThrow("cannot be read (ENOENT)");
  });
});
