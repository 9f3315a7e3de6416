import { describe, expect, it } from "vitest";
import { browserViolations, ROOMS, roomViolations } from "./importRules.ts";
import { readSources, references, type Sources } from "./sources.ts";

const source = readSources(["src"], [".ts"]);

function sources(files: Readonly<Record<string, string>>): Sources {
  return new Map(Object.entries(files));
}

describe("the import rules on src", () => {
  it("see the files there are", () => {
    expect([...source.keys()]).toContain("src/protocol/ledger/state.ts");
    expect([...source].flatMap(([path, text]) => references(path, text)).length).toBeGreaterThan(source.size);
  });

  it("let no room reach where it may not", () => {
    expect(roomViolations(source)).toEqual([]);
  });

  it("let nothing that runs in a page touch Node", () => {
    expect(browserViolations(source)).toEqual([]);
  });
});

describe("the table of rooms", () => {
  it("has no way from a room back to itself", () => {
    const reach = (room: string, seen: readonly string[]): readonly string[] => {
      if (seen.includes(room)) return [[...seen, room].join(" → ")];
      return (ROOMS[room] ?? []).flatMap((next) => reach(next, [...seen, room]));
    };
    expect(Object.keys(ROOMS).flatMap((room) => reach(room, []))).toEqual([]);
  });
});

/** Each way of naming a module, and how a fixture in src/wire reaches src/store by it. */
const WAYS: Readonly<Record<string, string>> = {
  import: 'import { a } from "../store/a.ts";',
  "import for its effect": 'import "../store/a.ts";',
  "import of a type": 'import type { A } from "../store/a.ts";',
  "re-export": 'export { a } from "../store/a.ts";',
  "re-export of everything": 'export * from "../store/a.ts";',
  "dynamic import": 'export const a = () => import("../store/a.ts");',
  "dynamic import by template": "export const a = () => import(`../store/a.ts`);",
  "type in an expression": 'export type A = import("../store/a.ts").A;',
  "type of a module": 'export type A = typeof import("../store/a.ts");',
  require: 'export const a = createRequire(import.meta.url)("../store/a.ts");',
  "worker's address": 'export const a = new Worker(new URL("../store/a.ts", import.meta.url));',
  "import assignment": 'import a = require("../store/a.ts");',
};

describe("roomViolations", () => {
  it.each(Object.entries(WAYS))("notices a forbidden %s", (_way, text) => {
    const found = roomViolations(sources({ "src/wire/x.ts": text, "src/store/a.ts": "export const a = 1;" }));
    expect(found).toEqual(["src/wire/x.ts imports ../store/a.ts: wire may not reach store"]);
  });

  it.each([
    ["a deeper folder", { "src/wire/x/y.ts": 'import "../../node/a.ts";' }],
    ["a detour", { "src/wire/x.ts": 'import "./../../src/node/a.ts";' }],
    ["the package's own name", { "src/wire/x.ts": 'import "rivulet/chain";' }],
    ["a package, from protocol", { "src/protocol/x.ts": 'import { keccak256 } from "ethers";' }],
    ["a module of Node, from protocol", { "src/protocol/x.ts": 'import "node:fs";' }],
    ["the tests", { "src/wire/x.ts": 'import "../../test/wire/a.ts";' }],
    ["a file of no room", { "src/x.ts": 'import "./wire/a.ts";' }],
    ["a room without a row", { "src/tools/x.ts": 'import "../wire/a.ts";' }],
    ["a name made up as it runs", { "src/wire/x.ts": "export const a = (b: string) => import(b);" }],
    [
      "more than types of api, from client",
      { "src/client/x.ts": 'import { type A, b } from "../api/a.ts";' },
    ],
  ])("notices %s", (_what, files) => {
    expect(roomViolations(sources(files))).toHaveLength(1);
  });

  it.each([
    ["the same room", { "src/wire/x.ts": 'import "./a.ts"; import "./b/c.ts";' }],
    ["a room it may reach", { "src/store/x.ts": 'import "../wire/a.ts";' }],
    ["a package", { "src/p2p/x.ts": 'import { yamux } from "@libp2p/yamux";' }],
    ["types of api, from client", { "src/client/x.ts": 'import type { A } from "../api/a.ts";' }],
    [
      "text that only looks like an import",
      { "src/wire/x.ts": '// import "../node/a.ts"\nexport const a = 1;' },
    ],
  ])("allows %s", (_what, files) => {
    expect(roomViolations(sources(files))).toEqual([]);
  });
});

describe("browserViolations", () => {
  it.each([
    ["node: in protocol", { "src/protocol/x.ts": 'import { inspect } from "node:util";' }],
    ["a builtin without its prefix", { "src/wire/x.ts": 'import { join } from "path";' }],
    ["Buffer", { "src/wire/x.ts": "export const a = Buffer.alloc(1);" }],
    ["process", { "src/protocol/x.ts": "export const a = process.env;" }],
    ["node: in a file of crypto not named for it", { "src/crypto/x.ts": 'import "node:fs";' }],
    [
      "node: behind a page's entry",
      { "src/p2p/host.browser.ts": 'import "./a.ts";', "src/p2p/a.ts": 'import "node:net";' },
    ],
    [
      "node: behind a page's entry, in another room, loaded late",
      {
        "src/browser/browser.ts": 'export const a = () => import("../store/a.ts");',
        "src/store/a.ts": 'export { b } from "./b.ts";',
        "src/store/b.ts": 'import "node:fs";',
      },
    ],
  ])("notices %s", (_what, files) => {
    expect(browserViolations(sources(files))).toHaveLength(1);
  });

  it.each([
    ["node: in a file of crypto named for it", { "src/crypto/x.node.ts": 'import "node:fs";' }],
    ["node: in a room that no page reaches", { "src/chain/x.ts": 'import "node:fs";' }],
    ["members and keys with such names", { "src/wire/x.ts": "export const a = { process: 1 }; a.process;" }],
    [
      "a type from a file for Node",
      {
        "src/crypto/browser.ts": 'import type { A } from "./a.node.ts";',
        "src/crypto/a.node.ts": 'import "node:fs";',
      },
    ],
  ])("allows %s", (_what, files) => {
    expect(browserViolations(sources(files))).toEqual([]);
  });
});
