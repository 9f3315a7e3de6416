import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Configuration } from "../../src/cli/config/load.ts";
import type { Settings } from "../../src/cli/config/settings.ts";
import { unlock } from "../../src/cli/keystore.ts";
import type { Secrets } from "../../src/cli/secrets.ts";
import { Shell } from "../../src/cli/shell.ts";
import { writeKeystore } from "../../src/crypto/index.ts";

let dataDir: string;
let passwordFile: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "rivulet-keystore-"));
  passwordFile = join(dataDir, "password");
  const words = "test test test test test test test test test test test junk";
  await writeKeystore(join(dataDir, "keystore.json"), words, "correct horse", { scryptN: 2 ** 12 });
  await writeFile(passwordFile, "wrong\n", { mode: 0o600 });
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

/** Somebody at a terminal types this where no other password is given. */
class Typing extends Shell {
  override password(message: string): Promise<string> {
    return this.passwordFrom === undefined ? Promise.resolve("typo") : super.password(message);
  }
}

function shellOf(password: string | undefined, file?: string): Shell {
  const settings = { dataDir, passwordFile: file } as Settings;
  return new Typing({
    options: {},
    configuration: { settings } as Configuration,
    signal: new AbortController().signal,
    secrets: { password } as Secrets,
  });
}

it("a wrong password is looked for where it came from", async () => {
  const action = (shell: Shell) => unlock(shell).catch((error: { action?: string }) => error.action);
  expect(await action(shellOf("guessed", passwordFile))).toBe("Look at RIVULET_PASSWORD.");
  expect(await action(shellOf(undefined, passwordFile))).toBe("Look at password_file.");
  expect(await action(shellOf(undefined))).toBe("Type it again.");
  expect((await unlock(shellOf("correct horse"))).mnemonic).toContain("junk");
});
