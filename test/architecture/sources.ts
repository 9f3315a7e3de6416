import { existsSync, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAst } from "vitest/node";

/** The text of each source file by its path from the project's root, with forward slashes. */
export type Sources = ReadonlyMap<string, string>;

/** One reference from a file to a module. `specifier` is undefined where only running the code tells it. */
export interface Reference {
  readonly from: string;
  readonly specifier: string | undefined;
  /** The path from the root that a relative specifier leads to; undefined for packages. */
  readonly target: string | undefined;
  /** Whether the compiler erases it. */
  readonly typeOnly: boolean;
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const parsed = new Map<string, readonly Node[]>();

/** Reads every file under `folders` whose name ends in one of `endings`. */
export function readSources(folders: readonly string[], endings: readonly string[]): Sources {
  const found = new Map<string, string>();
  for (const folder of folders) {
    if (!existsSync(posix.join(ROOT, folder))) continue;
    const entries = readdirSync(posix.join(ROOT, folder), { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile() || !endings.some((ending) => entry.name.endsWith(ending))) continue;
      const file = posix.join(entry.parentPath, entry.name);
      found.set(posix.relative(ROOT, file), readFileSync(file, "utf8"));
    }
  }
  return found;
}

/** Whether a tool writes this file, so that house style does not bind it. */
export function isGenerated(path: string): boolean {
  return path.includes("/generated/");
}

/** The top-level statements of a TypeScript file; throws if it does not parse. */
export function statements(path: string, text: string): readonly Node[] {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  try {
    const { body } = parseAst(text, { lang: "ts" }) as unknown as { body: readonly Node[] };
    parsed.set(text, body);
    return body;
  } catch (error) {
    throw new Error(`${path} does not parse`, { cause: error });
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}

/** Every node under and including `root`, in no order that matters. */
export function* descend(root: unknown): Generator<Node> {
  if (Array.isArray(root)) {
    for (const item of root) yield* descend(item);
  } else if (isNode(root)) {
    yield root;
    for (const value of Object.values(root)) yield* descend(value);
  }
}

function literal(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  const quasis = node.quasis;
  if (node.type !== "TemplateLiteral" || !Array.isArray(quasis) || quasis.length !== 1) return undefined;
  return (quasis[0] as { value: { cooked: string } }).value.cooked;
}

function isRequire(callee: unknown): boolean {
  if (!isNode(callee)) return false;
  if (callee.type === "Identifier") return callee.name === "require";
  const inner = callee.callee;
  return callee.type === "CallExpression" && isNode(inner) && inner.name === "createRequire";
}

/** What a node refers to, as a list of none or one; `[undefined]` is a module named at run time only. */
function specifiersOf(node: Node): (string | undefined)[] {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
    case "TSImportType":
    case "ImportExpression":
      return [literal(node.source)];
    case "ExportNamedDeclaration":
      return isNode(node.source) ? [literal(node.source)] : [];
    case "TSExternalModuleReference":
      return [literal(node.expression)];
    case "CallExpression":
      return isRequire(node.callee) ? [literal((node.arguments as unknown[])[0])] : [];
    case "NewExpression": {
      // A worker's or an asset's address: `new URL("./worker.ts", import.meta.url)`.
      const [first, second] = node.arguments as unknown[];
      const address = isNode(second) && literal(first);
      return typeof address === "string" && address.startsWith(".") ? [address] : [];
    }
    default:
      return [];
  }
}

function isTypeOnly(node: Node): boolean {
  if (node.type === "TSImportType") return true;
  if (node.importKind === "type" || node.exportKind === "type") return true;
  const names = node.specifiers as readonly Node[] | undefined;
  const kind = node.type === "ImportDeclaration" ? "importKind" : "exportKind";
  return names !== undefined && names.length > 0 && names.every((name) => name[kind] === "type");
}

/** Every module that a file refers to: imports, re-exports, types, dynamic imports, requires and URLs. */
export function references(path: string, text: string): readonly Reference[] {
  return [...descend(statements(path, text))].flatMap((node) =>
    specifiersOf(node).map((specifier) => ({
      from: path,
      specifier,
      target: specifier?.startsWith(".") ? posix.join(posix.dirname(path), specifier) : undefined,
      typeOnly: isTypeOnly(node),
    })),
  );
}
