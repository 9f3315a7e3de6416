import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfiguration } from "../../src/cli/config/load.ts";
import { DEFAULT_DATA_DIR, SETTINGS, variableOf } from "../../src/cli/config/settings.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "rivulet-config-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function fileWith(text: string): Promise<string> {
  const file = join(directory, `${Math.random()}.toml`);
  await writeFile(file, text);
  return file;
}

describe("settings", () => {
  it("come from flag, environment, file and default, in this order, and say from where", async () => {
    const file = await fileWith(
      'data_dir = "/from/file"\n[api]\nport = 1\nhost = "::1"\n[log]\nlevel = "warn"\n',
    );
    const { settings, resolved } = await loadConfiguration({
      flags: { apiPort: "3" },
      env: { RIVULET_API_PORT: "2", RIVULET_LOG_LEVEL: "debug" },
      file,
    });
    expect(settings.api).toMatchObject({ port: 3, host: "::1", allowRemote: false });
    expect([settings.logLevel, settings.dataDir, settings.escrowBlock]).toEqual(["debug", "/from/file", 0]);
    const from = (name: string) => resolved.find((one) => one.name === name)!;
    expect(from("apiPort")).toMatchObject({ source: "flag", place: "--api-port" });
    expect(from("logLevel")).toMatchObject({ source: "environment", place: "RIVULET_LOG_LEVEL" });
    expect(from("dataDir")).toMatchObject({ source: "file", place: file });
    expect(from("escrowBlock")).toMatchObject({ source: "default" });
  });

  it("need no file, unless one is named", async () => {
    const env = { RIVULET_CONFIG: join(directory, "none.toml") };
    const { settings, fileExists } = await loadConfiguration({ flags: {}, env });
    expect([settings.dataDir, fileExists]).toEqual([DEFAULT_DATA_DIR, false]);
    const file = join(directory, "none.toml");
    await expect(loadConfiguration({ flags: {}, env: {}, file })).rejects.toThrow("cannot be read");
  });

  it.each([
    ["[api]\nport = 70000\n", "api.port"],
    ["[api]\nport = \n", ":2:"],
    ['[chain]\nescrow = "0x12"\n', "chain.escrow"],
    ['[log]\nlevel = "loud"\n', "log.level"],
    ["[peers]\nlimit = 5\n", 'no setting "peers.limit"'],
  ])("of %j are refused with their place", async (text, said) => {
    const file = await fileWith(text);
    await expect(loadConfiguration({ flags: {}, env: {}, file })).rejects.toThrow(said);
  });

  it("with a secret are not repeated in the refusal", async () => {
    const env = { RIVULET_CHAIN_RPC: "" };
    const error = await loadConfiguration({ flags: {}, env }).catch((one: Error) => one);
    expect(String(error)).not.toContain("topsecret");
  });

  it("have one variable each", () => {
    const variables = Object.values(SETTINGS).map(({ key }) => variableOf(key));
    expect(new Set(variables).size).toBe(variables.length);
  });
});
