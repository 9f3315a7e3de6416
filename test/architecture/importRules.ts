import { isBuiltin } from "node:module";
import { descend, isGenerated, type Reference, references, type Sources, statements } from "./sources.ts";

/** Which other rooms each room may import: the table of ARCHITECTURE.md. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  crypto: ["protocol"],
  wire: ["protocol"],
  store: ["protocol", "wire"],
  chain: ["protocol", "crypto", "store"],
  p2p: ["protocol", "wire", "crypto"],
  node: ["protocol", "crypto", "wire", "store", "chain", "p2p"],
  api: ["protocol", "wire", "chain", "node"],
  client: ["api"],
  cli: ["protocol", "crypto", "chain", "node", "api", "client", "dev"],
  dev: ["protocol", "crypto", "chain", "node", "api", "client"],
};

/** Rooms of which nothing may be imported but types. */
const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = { client: ["api"] };

/** Rooms whose every file runs in a page. */
const BROWSER_SAFE = ["protocol", "wire"];

/** Rooms in which only files named `.node.ts` may use what Node alone has. */
const SPLIT_BY_NAME = ["crypto"];

/** Names that exist in Node without being imported, and in no page. */
const NODE_GLOBALS = new Set([
  "process",
  "Buffer",
  "global",
  "require",
  "__dirname",
  "__filename",
  "setImmediate",
]);

function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** A page's entry: what it reaches runs in the page too. */
function isBrowserEntry(path: string): boolean {
  return /(\/|\.)browser\.ts$/.test(path);
}

function allReferences(sources: Sources): readonly Reference[] {
  return [...sources].flatMap(([path, text]) => references(path, text));
}

function complain({ from, specifier }: Reference, why: string): string {
  return `${from} imports ${specifier ?? "a module named at run time"}: ${why}`;
}

function roomComplaint(reference: Reference): string | undefined {
  const { from, specifier, target } = reference;
  const room = roomOf(from);
  if (room === undefined) return `${from} is in no room`;
  const allowed = ROOMS[room];
  if (allowed === undefined) return `${from} is in the room ${room}, which the table does not name`;
  if (specifier === undefined) return complain(reference, "write its name out");
  if (target === undefined) {
    if (/^rivulet(\/|$)/.test(specifier)) return complain(reference, "refer to rooms by their path");
    return room === "protocol" ? complain(reference, "protocol imports nothing") : undefined;
  }
  const reached = roomOf(target);
  if (reached === room) return undefined;
  if (reached === undefined) return complain(reference, "it lies outside src");
  if (!allowed.includes(reached)) return complain(reference, `${room} may not reach ${reached}`);
  if (TYPES_ONLY[room]?.includes(reached) && !reference.typeOnly)
    return complain(reference, "only types may be imported");
  return undefined;
}

/** Imports that leave a room for one it may not reach, or that nobody can follow. */
export function roomViolations(sources: Sources): readonly string[] {
  return allReferences(sources).flatMap((reference) => roomComplaint(reference) ?? []);
}

/** The Node-only names that a file uses as variables, not as names of members. */
function nodeGlobalsIn(path: string, text: string): readonly string[] {
  const members = new Set<unknown>();
  const used = new Set<string>();
  const nodes = [...descend(statements(path, text))];
  for (const node of nodes) {
    if (node.computed !== true) members.add(node.property ?? node.key);
  }
  for (const node of nodes) {
    const name = node.name;
    if (node.type !== "Identifier" || typeof name !== "string" || members.has(node)) continue;
    if (NODE_GLOBALS.has(name)) used.add(name);
  }
  return [...used];
}

/** Whatever in `path` itself works in Node alone. */
function nodeOnlyUses(path: string, text: string): readonly string[] {
  const imports = references(path, text)
    .filter(({ specifier }) => specifier !== undefined && isBuiltin(specifier))
    .map((reference) => complain(reference, "no page has it"));
  const globals = nodeGlobalsIn(path, text).map((name) => `${path} uses ${name}: no page has it`);
  return isGenerated(path) ? imports : [...imports, ...globals];
}

/** All files that `entries` lead to inside the sources, themselves included. */
function reachable(sources: Sources, entries: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const text = sources.get(path);
    if (text === undefined || seen.has(path)) continue;
    seen.add(path);
    for (const { target, typeOnly } of references(path, text)) {
      if (target !== undefined && !typeOnly) waiting.push(target);
    }
  }
  return seen;
}

/** Uses of Node by files that run in a page, or in a room split by name by files not named for Node. */
export function browserViolations(sources: Sources): readonly string[] {
  const paths = [...sources.keys()];
  const inPage = reachable(
    sources,
    paths.filter((path) => isBrowserEntry(path) || BROWSER_SAFE.includes(roomOf(path) ?? "")),
  );
  const unnamed = paths.filter(
    (path) => SPLIT_BY_NAME.includes(roomOf(path) ?? "") && !path.endsWith(".node.ts"),
  );
  return [...new Set([...inPage, ...unnamed])].flatMap((path) => nodeOnlyUses(path, sources.get(path) ?? ""));
}
