import { isGenerated, type Sources, statements } from "./sources.ts";

export const MAX_LINES = 400;

/** For tests and what carries them: cases of one noun stay together, and are read one at a time. */
export const MAX_TEST_LINES = 700;

function lineLimit(path: string): number {
  return /^(test|contracts\/test)\//.test(path) ? MAX_TEST_LINES : MAX_LINES;
}

function written(sources: Sources): readonly (readonly [string, string])[] {
  return [...sources].filter(([path]) => !isGenerated(path));
}

/** Files that only pass on what others export, unless they are `exported`: the package's own exports. */
export function barrelViolations(sources: Sources, exported: ReadonlySet<string>): readonly string[] {
  return written(sources).flatMap(([path, text]) => {
    if (exported.has(path)) return [];
    if (path.endsWith("/index.ts")) return [`${path} is an index that package.json does not export`];
    const body = statements(path, text);
    const passesOn = body.every(
      ({ type, ...rest }) =>
        type === "ImportDeclaration" ||
        type === "ExportAllDeclaration" ||
        (type === "ExportNamedDeclaration" && (rest.declaration ?? null) === null),
    );
    return passesOn && body.length > 0 ? [`${path} only passes on what others export`] : [];
  });
}

/** Exports without a name of their own. */
export function defaultExportViolations(sources: Sources): readonly string[] {
  return written(sources).flatMap(([path, text]) => {
    const found = statements(path, text).some((statement) => {
      if (statement.type === "ExportDefaultDeclaration") return true;
      const names = statement.specifiers as readonly { exported?: { name?: string } }[] | undefined;
      return (
        statement.type === "ExportNamedDeclaration" &&
        names?.some((name) => name.exported?.name === "default")
      );
    });
    return found ? [`${path} has a default export`] : [];
  });
}

/**
 * Files longer than their limit without an explanation, and explanations that nothing needs any more.
 * `explained` gives for a file why it is one whole.
 */
export function lengthViolations(
  sources: Sources,
  explained: Readonly<Record<string, string>>,
): readonly string[] {
  const long = written(sources)
    .map(([path, text]) => ({ path, lines: text.trimEnd().split("\n").length, limit: lineLimit(path) }))
    .filter(({ lines, limit }) => lines > limit);
  const unexplained = long
    .filter(({ path }) => explained[path] === undefined)
    .map(({ path, lines, limit }) => `${path} has ${lines} lines, over ${limit}, and no explanation`);
  const idle = Object.keys(explained)
    .filter((path) => !long.some((file) => file.path === path))
    .map((path) => `${path} is explained as long, and is not`);
  return [...unexplained, ...idle];
}

/** A path that exists on one person's or one builder's machine only. */
const MACHINE_PATH = /(?<![\w.}/)\]$@~-])\/(?:work|root|home|Users|tmp|mnt|builds)\/[\w.$-]+/g;

/** Mentions of paths of somebody's machine, which mean nothing on any other. */
export function machinePathViolations(sources: Sources): readonly string[] {
  return [...sources].flatMap(([path, text]) =>
    text
      .split("\n")
      .flatMap((line, index) =>
        [...line.matchAll(MACHINE_PATH)].map(
          ([found]) => `${path}:${index + 1} names the machine path ${found}`,
        ),
      ),
  );
}
