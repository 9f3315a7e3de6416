import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { chooseCrypto } from "../../src/crypto/choose.ts";
import { createCrypto } from "../../src/crypto/index.ts";
import { jsEcdsa } from "../../src/crypto/jsEcdsa.ts";
import type { Ecdsa } from "../../src/protocol/ports.ts";

// Curves and key derivation are slow in plain JavaScript, and slower on a busy machine: hung is not slow.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

function recordingLog() {
  const infos: object[] = [];
  const warnings: object[] = [];
  return {
    infos,
    warnings,
    info: (fields: object) => void infos.push(fields),
    warn: (fields: object) => void warnings.push(fields),
  };
}

describe("createCrypto", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("takes the addon and WebAssembly, names both, warns of nothing", async () => {
    const log = recordingLog();
    const chosen = await createCrypto({ log });
    expect([chosen.ecdsa.name, chosen.keccakName]).toEqual(["native", "wasm"]);
    expect(log.infos).toEqual([{ ecdsa: "native", keccak: "wasm" }]);
    expect(log.warnings).toEqual([]);
  });

  it("never loads the package's silent slow half", async () => {
    await createCrypto();
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    expect(loaded.some((file) => file.endsWith("/secp256k1/bindings.js"))).toBe(true);
    expect(
      loaded.filter((file) => /\/secp256k1\/(lib\/)?elliptic\.js$|\/elliptic\/lib\//.test(file)),
    ).toEqual([]);
  });

  it("takes plain JavaScript when asked to, without a warning and without trying the addon", async () => {
    const log = recordingLog();
    const loadNative = vi.fn<() => Promise<Ecdsa>>();
    const chosen = await chooseCrypto({ prefer: "js", log }, loadNative);
    expect(chosen.ecdsa.name).toBe("js");
    expect(log.infos).toEqual([{ ecdsa: "js", keccak: "wasm" }]);
    expect(log.warnings).toEqual([]);
    expect(loadNative).not.toHaveBeenCalled();
  });

  it("falls back with the reason in the log when the addon really does not load, where the package says nothing", async () => {
    const script = `
      import { createRequire } from "node:module";
      import { createCrypto } from ${JSON.stringify(new URL("../../src/crypto/index.ts", import.meta.url).href)};
      const log = { info: (fields) => console.log(JSON.stringify(fields)), warn: (fields) => console.log(JSON.stringify(fields)) };
      const chosen = await createCrypto({ log });
      const silent = typeof createRequire(${JSON.stringify(import.meta.url)})("secp256k1").ecdsaSign;
      console.log(JSON.stringify({ name: chosen.ecdsa.name, silent }));
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "--eval", script],
      {
        cwd: fileURLToPath(new URL("../..", import.meta.url)),
        env: { ...process.env, SECP256K1_PREBUILD: "/nonexistent" },
      },
    );
    const [warning, info, result] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(warning.reason).toContain("No native build was found");
    expect(info).toEqual({ ecdsa: "js", keccak: "wasm" });
    expect(result).toEqual({ name: "js", silent: "function" });
  });

  const liars: [string, Partial<Ecdsa>][] = [
    ["signs otherwise", { sign: (digest, key) => jsEcdsa.sign(digest, key).fill(1, 0, 1) }],
    ["recovers nothing", { recover: () => undefined }],
    ["recovers another", { recover: () => new Uint8Array(64) }],
    ["gives another public key", { publicKey: () => new Uint8Array(64) }],
    [
      "throws",
      {
        sign: () => {
          throw new Error("broken");
        },
      },
    ],
  ];
  it.each(liars)("does not use an addon that loads but %s", async (_, lie) => {
    const log = recordingLog();
    const chosen = await chooseCrypto({ log }, async () => ({ ...jsEcdsa, name: "native", ...lie }));
    expect(chosen.ecdsa).toBe(jsEcdsa);
    expect(log.warnings).toHaveLength(1);
  });

  it("hashes in plain JavaScript, with a warning, where WebAssembly is not to be had", async () => {
    const log = recordingLog();
    vi.stubGlobal("WebAssembly", undefined);
    const chosen = await chooseCrypto({ prefer: "js", log }, undefined);
    expect(chosen.keccakName).toBe("js");
    expect(log.infos).toEqual([{ ecdsa: "js", keccak: "js" }]);
    expect(log.warnings).toHaveLength(1);
  });
});
