import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createCrypto } from "../../src/crypto/browser.ts";

/** Every module reached from `entry` through relative imports, and the packages they name. */
function reach(entry: URL): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (url: URL) => {
    const file = fileURLToPath(url);
    if (files.has(file)) return;
    expect(existsSync(file)).toBe(true);
    files.add(file);
    for (const [, name] of readFileSync(file, "utf8").matchAll(
      /(?:from|import\(|import|require\()\s*"([^"]+)"/g,
    )) {
      if (name!.startsWith(".")) visit(new URL(name!, url));
      else packages.add(name!);
    }
  };
  visit(entry);
  return { files, packages };
}

describe("the crypto room in a page", () => {
  it("reaches neither node: nor the addon, not even lazily", () => {
    const { files, packages } = reach(new URL("../../src/crypto/browser.ts", import.meta.url));
    expect(
      [...packages].filter((name) => name.startsWith("node:") || name.includes("secp256k1/bind")),
    ).toEqual([]);
    expect(packages).not.toContain("secp256k1");
    expect([...files].filter((file) => file.endsWith(".node.ts"))).toEqual([]);
    expect(packages).toContain("@noble/curves/secp256k1.js");
  });

  it("is a walk that does find node: from the other entry", () => {
    const { packages } = reach(new URL("../../src/crypto/index.ts", import.meta.url));
    expect(packages).toContain("node:module");
  });

  it("gives plain JavaScript curves even when native is preferred", async () => {
    expect((await createCrypto({ prefer: "native" })).ecdsa.name).toBe("js");
  });
});
