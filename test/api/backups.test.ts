import { chmod, rename } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Backups, MOST_WRONG, WINDOW_MS } from "../../src/api/backups.ts";
import type { Caller } from "../../src/api/caller.ts";
import { generateMnemonic } from "../../src/crypto/index.ts";
import { restoreBackup } from "../../src/node/index.ts";
import { type DaemonWorld, KEYSTORE_PASSWORD, openDaemons, type TestDaemon } from "./support/daemons.ts";

let world: DaemonWorld;
beforeAll(async () => {
  world = await openDaemons();
}, 60_000);
afterAll(() => world?.stop());

const ask = (daemon: TestDaemon, keystorePassword: string) =>
  daemon.call("/v1/backup", { body: { password: "of the file", keystorePassword } });

describe("whoever holds the owner's access token", () => {
  it("gets no backup without the keystore's password, and cannot go on guessing", async () => {
    const daemon = await world.daemon();
    const { status, problem } = await daemon.call("/v1/backup", { body: { password: "of the file" } });
    expect([status, problem.code, problem.fields]).toMatchObject([400, "request_invalid", { part: "body" }]);
    for (let tries = 0; tries < MOST_WRONG; tries++) {
      const wrong = await ask(daemon, `guess ${tries}`);
      expect([wrong.status, wrong.problem.code]).toEqual([403, "keystore_password_wrong"]);
      expect(JSON.stringify(wrong.body)).not.toContain("guess");
    }
    const limited = await ask(daemon, KEYSTORE_PASSWORD);
    expect([limited.status, limited.problem.code]).toEqual([429, "rate_limited"]);
    expect(Number(limited.problem.fields!.retryAfterSeconds)).toBeGreaterThan(WINDOW_MS / 1000 - 60);
  }, 30_000);

  it("learns why where the keystore itself is at fault", async () => {
    const daemon = await world.daemon();
    const keystore = join(daemon.options.directory, "..", "keystore.json");
    await chmod(keystore, 0o644);
    const exposed = await ask(daemon, KEYSTORE_PASSWORD);
    expect([exposed.status, exposed.problem.fields]).toEqual([409, { reason: "exposed" }]);
    await rename(keystore, `${keystore}.gone`);
    const missing = await ask(daemon, KEYSTORE_PASSWORD);
    expect([missing.problem.code, missing.problem.fields]).toEqual([
      "keystore_unusable",
      { reason: "missing" },
    ]);
  }, 30_000);
});

describe("a backup over HTTP", () => {
  it("holds the node's settings", async () => {
    const daemon = await world.daemon();
    const { url, adminToken } = daemon.daemon;
    const response = await fetch(`${url}/v1/backup`, {
      method: "POST",
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      body: JSON.stringify({ password: "of the file", keystorePassword: KEYSTORE_PASSWORD }),
    });
    const report = await restoreBackup({
      file: response.body as unknown as AsyncIterable<Uint8Array>,
      password: "of the file",
      directory: join(daemon.options.directory, "..", "restored"),
      oldNodeIsGone: true,
    });
    expect(report).toMatchObject({ mnemonic: daemon.options.mnemonic, config: 'data_dir = "/old"\n' });
  }, 30_000);
});

describe("the check of the password", () => {
  const caller = { accessTokenId: "k1" } as Caller;
  const { signal } = new AbortController();
  const opened = async (
    openKeystore: (password: string) => Promise<string | undefined>,
    now: () => number = Date.now,
  ) => {
    const { node } = (await world.daemon()).daemon;
    const backups = new Backups({ node, log: pino({ level: "silent" }), access: { openKeystore }, now });
    return (keystorePassword = "x") =>
      backups.stream({ password: "of the file", keystorePassword }, caller, signal);
  };
  const wrong = () => Promise.reject(Object.assign(new Error("wrong"), { code: "wrong_password" }));

  it("looks at one password at a time", async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const stream = await opened(() => promise);
    const first = stream();
    await expect(stream()).rejects.toMatchObject({ code: "rate_limited", fields: { retryAfterSeconds: 1n } });
    resolve(undefined);
    await expect(first).rejects.toMatchObject({ code: "keystore_unusable", fields: { reason: "foreign" } });
  }, 30_000);

  it("takes no other node's keystore for this one's", async () => {
    const stream = await opened(async () => generateMnemonic());
    await expect(stream()).rejects.toMatchObject({ code: "keystore_unusable" });
  }, 30_000);

  it("goes on when the wrong ones are long ago", async () => {
    let time = 0;
    const stream = await opened(wrong, () => time);
    for (let tries = 0; tries < MOST_WRONG; tries++)
      await expect(stream()).rejects.toMatchObject({ code: "keystore_password_wrong" });
    time = WINDOW_MS - 1;
    await expect(stream()).rejects.toMatchObject({ code: "rate_limited", fields: { retryAfterSeconds: 1n } });
    time = WINDOW_MS;
    await expect(stream()).rejects.toMatchObject({ code: "keystore_password_wrong" });
  }, 30_000);
});
