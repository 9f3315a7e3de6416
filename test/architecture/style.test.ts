import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT, readSources, type Sources } from "./sources.ts";
import {
  barrelViolations,
  defaultExportViolations,
  lengthViolations,
  MAX_LINES,
  MAX_TEST_LINES,
  machinePathViolations,
} from "./styleRules.ts";

/** Why a file is one whole though it is long. */
const LONG_FILES: Readonly<Record<string, string>> = {
  "contracts/ChannelEscrow.sol":
    "Holds every function that moves money, which an auditor reads as one; what keeps no state is in libraries.",
  "contracts/interfaces/IChannelEscrow.sol":
    "The whole interface with its requirements, read beside the contract; most lines are NatSpec.",
  "src/api/schema/routes.ts":
    "Data: one entry per call of the API, in the order in which its document tells them.",
  "scripts/mutants-contract.list.ts": "Data: one entry per way to break the escrow.",
  "scripts/mutants-core.list.ts": "Data: one entry per way to break the core.",
};

const source = readSources(["src"], [".ts"]);
const code = readSources(
  ["src", "contracts", "scripts", "bench", "test", "examples"],
  [".ts", ".mjs", ".sol"],
);

/** The source files behind the subpaths that package.json exports. */
function exportedFiles(): ReadonlySet<string> {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { exports: object };
  const files = new Set<string>();
  const collect = (target: unknown): void => {
    if (typeof target === "object" && target !== null) Object.values(target).forEach(collect);
    const file = typeof target === "string" ? /^\.\/dist\/(.+?)(\.d\.ts|\.js)$/.exec(target) : null;
    if (file !== null) files.add(`src/${file[1]}.ts`);
  };
  collect(exports);
  return files;
}

/** What git tracks, without files that are not text. */
function trackedFiles(): Sources {
  // The folder may belong to another user, as in a container: reading the list is harmless.
  const list = execFileSync("git", ["-c", "safe.directory=*", "ls-files", "-z"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  const paths = list.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)));
  const texts = paths.map((path) => [path, readFileSync(join(ROOT, path), "utf8")] as const);
  return new Map(texts.filter(([, text]) => !text.includes("\0")));
}

function sources(files: Readonly<Record<string, string>>): Sources {
  return new Map(Object.entries(files));
}

describe("package.json", () => {
  it("exports only what the sources have", () => {
    expect([...exportedFiles()].filter((path) => !source.has(path))).toEqual([]);
  });
});

describe("house style", () => {
  it("has no barrels but the package's exports", () => {
    expect(barrelViolations(source, exportedFiles())).toEqual([]);
  });

  it("has no default exports in src", () => {
    expect(defaultExportViolations(source)).toEqual([]);
  });

  it(`has no file over ${MAX_LINES} lines, or test over ${MAX_TEST_LINES}, without a reason`, () => {
    expect(code.has("test/architecture/style.test.ts")).toBe(true);
    expect(lengthViolations(code, LONG_FILES)).toEqual([]);
  });

  it("names no paths of anyone's machine in what is tracked", () => {
    const tracked = trackedFiles();
    expect(tracked.has("package.json")).toBe(true);
    expect(machinePathViolations(tracked)).toEqual([]);
  });
});

describe("barrelViolations", () => {
  const exported = new Set(["src/wire/index.ts"]);

  it.each([
    ["an index that is not exported", { "src/p2p/index.ts": "export const a = 1;" }],
    ["a file of re-exports", { "src/p2p/all.ts": 'export * from "./a.ts"; export { b } from "./b.ts";' }],
    ["imports passed on", { "src/p2p/all.ts": 'import { a } from "./a.ts"; export { a };' }],
  ])("notices %s", (_what, files) => {
    expect(barrelViolations(sources(files), exported)).toHaveLength(1);
  });

  it.each([
    ["an exported index", { "src/wire/index.ts": 'export * from "./a.ts";' }],
    [
      "a file that re-exports beside its own",
      { "src/wire/a.ts": 'export { b } from "./b.ts"; export const a = 1;' },
    ],
    ["what a tool wrote", { "src/chain/generated/index.ts": 'export * from "./a.ts";' }],
  ])("allows %s", (_what, files) => {
    expect(barrelViolations(sources(files), exported)).toEqual([]);
  });
});

describe("defaultExportViolations", () => {
  it.each([
    ["a value", "export default 1;"],
    ["a function", "export default function a() {}"],
    ["a renamed one", "const a = 1; export { a as default };"],
    ["one passed on", 'export { default } from "./a.ts";'],
  ])("notices %s", (_what, text) => {
    expect(defaultExportViolations(sources({ "src/wire/x.ts": text }))).toHaveLength(1);
  });

  it("allows named exports", () => {
    expect(defaultExportViolations(sources({ "src/wire/x.ts": "export const a = 1;" }))).toEqual([]);
  });
});

describe("lengthViolations", () => {
  const long = sources({ "src/wire/x.ts": "a;\n".repeat(MAX_LINES + 1) });

  it("gives tests more room, not endless", () => {
    const test = (lines: number) => sources({ "test/wire/x.test.ts": "a;\n".repeat(lines) });
    expect(lengthViolations(test(MAX_TEST_LINES), {})).toEqual([]);
    expect(lengthViolations(test(MAX_TEST_LINES + 1), {})).toHaveLength(1);
  });

  it("notices a long file, and an explanation without one", () => {
    expect(lengthViolations(long, {})).toHaveLength(1);
    expect(lengthViolations(sources({ "src/wire/x.ts": "a;\n".repeat(MAX_LINES) }), {})).toEqual([]);
    expect(lengthViolations(long, { "src/wire/x.ts": "why" })).toEqual([]);
    expect(lengthViolations(new Map(), { "src/wire/x.ts": "why" })).toHaveLength(1);
  });
});

describe("machinePathViolations", () => {
  // Put together here, so that this file itself names none.
  const path = (...parts: readonly string[]) => `/${parts.join("/")}`;

  it.each([["work"], ["root"], ["home"], ["Users"], ["tmp"]])("notices a path under %s", (top) => {
    const text = `first line\nsee "${path(top, "someone", "file.ts")}"`;
    expect(machinePathViolations(sources({ "a.md": text }))).toEqual([
      `a.md:2 names the machine path ${path(top, "someone")}`,
    ]);
  });

  it.each([
    ["a web address", `https://example.org${path("home", "page")}`],
    ["a relative path", `.${path("work", "a")} and ..${path("tmp", "b")}`],
    ["a path under a variable", `\${base}${path("tmp", "a")}`],
    ["a system's path that all machines have", "#!/usr/bin/env node and /dev/null"],
  ])("allows %s", (_what, text) => {
    expect(machinePathViolations(sources({ "a.md": text }))).toEqual([]);
  });
});
