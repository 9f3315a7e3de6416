import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfiguration } from "../../src/cli/config/load.ts";
import { apiOptionsOf, nodeOptionsOf, ofChain, peerTlsOf } from "../../src/cli/config/nodeOptions.ts";
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

  it.each([
    ['[chain]\nnmae = "base"\n', "chain.name"],
    ['nmae = "base"\n', "chain.name"],
    ["[api]\nprot = 1\n", "api.port"],
    ["[chian]\nescrow_block = 1\n", "chain.escrow_block"],
    ["[peers]\nlimit = 5\n", undefined],
    ["x = 5\n", undefined],
  ])("spelled wrong as in %j are told as meant, if any is near", async (text, meant) => {
    const file = await fileWith(text);
    const error = await loadConfiguration({ flags: {}, env: {}, file }).catch((one) => one);
    expect(/Did you mean (\S+)\?/.exec(error.action)?.[1]).toBe(meant);
    expect(error.action).toContain("There are data_dir");
  });

  it.each([
    [{ apiPort: "abc" }, '--api-port: "abc" cannot be used: a port: a whole number from 0 to 65535'],
    [{ apiPort: "70000" }, "a port: a whole number from 0 to 65535"],
    [{ apiPort: "1.5" }, "a port: a whole number from 0 to 65535"],
    [{ escrowBlock: "x" }, '--chain-escrow-block: "x" cannot be used: a whole number, for example 12'],
    [{ rpc: "ftp://key@host" }, "--chain-rpc: this value cannot be used: neither http, https, ws nor wss"],
    [{ rpc: "http://a,secret" }, "--chain-rpc: this value cannot be used: number 2 is not a URL"],
  ])("of %j are refused in words of their own", async (flags, said) => {
    const error = await loadConfiguration({ flags, env: {} }).catch((one) => one);
    expect(error.message).toContain(said);
    expect(`${error.message} ${error.action}`).not.toMatch(/NaN|rpcUrl|key@|secret/);
  });

  it("that follow from the chain are known before a node runs, and are what it is started with", async () => {
    const load = async (flags: object) =>
      (await loadConfiguration({ flags: { ...flags }, env: {} })).settings;
    expect(ofChain(await load({}))).toEqual({});
    const settings = await load({ chain: "base", rpc: "http://a", escrow: `0x${"1".repeat(40)}` });
    const told = ofChain(settings);
    const options = nodeOptionsOf(settings, "words", pino({ enabled: false }));
    expect(told.confirmations).toBe(options.confirmations);
    expect(told).toMatchObject({ maxFee: "200", leastChallengePeriod: "1 h" });
    expect(ofChain(await load({ chain: "hardhat" }))).toMatchObject({ leastChallengePeriod: "1 s" });
    expect(ofChain(await load({ chain: "12345" })).confirmations).toBe(12);
    expect(ofChain(await load({ chain: "nonsense" }))).toEqual({});
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

describe("what of others' channels is taken", () => {
  const NATIVE = `0x${"00".repeat(20)}`;
  const base = {
    RIVULET_CHAIN_NAME: "base",
    RIVULET_CHAIN_RPC: "https://rpc.example",
    RIVULET_CHAIN_ESCROW: `0x${"e5".repeat(20)}`,
    RIVULET_CONFIG: "none.toml",
  };
  const policy = async (env: Record<string, string>) => {
    const { settings } = await loadConfiguration({ flags: {}, env: { ...base, ...env } });
    return nodeOptionsOf(settings, "", pino({ level: "silent" })).policy!;
  };

  it("is the default where nothing is said, and a second's challenge on development chains", async () => {
    expect(await policy({})).toEqual({
      challengePeriod: { least: 3_600, most: 2_592_000 },
      mostMatchingDeposit: {},
    });
    expect((await policy({ RIVULET_CHAIN_NAME: "hardhat" })).challengePeriod!.least).toBe(1);
  });

  it("has bounds of the challenge period as spans, and amounts by token", async () => {
    const USDC = "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913";
    const other = `0x${"Ab".repeat(20)}`;
    expect(
      await policy({
        RIVULET_PEERS_LEAST_CHALLENGE_PERIOD: "12h",
        RIVULET_PEERS_MOST_CHALLENGE_PERIOD: "2w",
        RIVULET_PEERS_MATCH_DEPOSITS: `0.05 ETH, 20 usdc, 7 ${other}`,
      }),
    ).toEqual({
      challengePeriod: { least: 43_200, most: 1_209_600 },
      mostMatchingDeposit: { [NATIVE]: 5n * 10n ** 16n, [USDC]: 20_000_000n, [other.toLowerCase()]: 7n },
    });
  });

  it.each([
    [{ RIVULET_PEERS_LEAST_CHALLENGE_PERIOD: "3600" }, "a span of time"],
    [{ RIVULET_PEERS_LEAST_CHALLENGE_PERIOD: "31d" }, "is above peers.most_challenge_period"],
    [{ RIVULET_PEERS_MOST_CHALLENGE_PERIOD: "31d" }, "is above 30d"],
    [{ RIVULET_PEERS_MATCH_DEPOSITS: "5" }, "which token"],
    [{ RIVULET_PEERS_MATCH_DEPOSITS: "5 NOSUCH" }, "no token is known"],
    [{ RIVULET_PEERS_MATCH_DEPOSITS: `0.5 0x${"ab".repeat(20)}` }, "base units has 0 decimals"],
  ])("is refused as %j", async (env, said) => {
    await expect(policy(env)).rejects.toThrow(said);
  });
});

describe("TLS for peers", () => {
  it.each([
    [{ RIVULET_PEERS_TLS_CERT: "/cert.pem" }, "TLS needs both peers.tls_cert and peers.tls_key"],
    [
      { RIVULET_PEERS_TLS_CERT: "/no/cert.pem", RIVULET_PEERS_TLS_KEY: "/no/key.pem" },
      "cannot be read (ENOENT)",
    ],
  ])("is refused as %j", async (env, said) => {
    const { settings } = await loadConfiguration({ flags: {}, env: { ...env, RIVULET_CONFIG: "none.toml" } });
    await expect(peerTlsOf(settings)).rejects.toThrow(said);
  });
});

describe("the tokens others may open channels in", () => {
  const read = async (tokens: string) =>
    (
      await loadConfiguration({
        flags: {},
        env: { RIVULET_PEERS_TOKENS: tokens, RIVULET_CONFIG: "none.toml" },
      })
    ).settings.acceptTokens;

  it("are compared as the chain writes them, and are addresses", async () => {
    const [mixed, other] = [`0x${"aB".repeat(20)}`, `0x${"00".repeat(20)}`];
    expect(await read(`${mixed}, ${other}`)).toEqual([mixed.toLowerCase(), other]);
    await expect(read("USDC")).rejects.toThrow("an address");
  });
});

describe("a certificate", () => {
  const optionsWith = async (flags: Record<string, string>) =>
    apiOptionsOf((await loadConfiguration({ flags, env: {}, file: await fileWith("") })).settings);

  it("that cannot be read, or stands without its key, is named with its setting and its path", async () => {
    const apiTlsCert = await fileWith("certificate");
    const apiTlsKey = join(directory, "none.key");
    await expect(optionsWith({ apiTlsCert, apiTlsKey })).rejects.toMatchObject({
      exitCode: 2,
      message: `the file of api.tls_key cannot be read (ENOENT): ${apiTlsKey}`,
    });
    await expect(optionsWith({ apiTlsCert })).rejects.toMatchObject({
      exitCode: 2,
      message: "TLS needs both api.tls_cert and api.tls_key",
    });
    const both = await optionsWith({ apiTlsCert, apiTlsKey: apiTlsCert });
    expect(String(both.tls?.key)).toBe("certificate");
  });
});
