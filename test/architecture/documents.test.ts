import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOMS } from "./importRules.ts";

const read = (path: string) => readFileSync(path, "utf8");
const files = ["src", "test"].flatMap((root) =>
  readdirSync(root, { recursive: true, encoding: "utf8" }).map((path) => join(root, path)),
);
const readmes = files.filter((path) => path.startsWith("src") && path.endsWith("README.md"));

/** Names of source files that a document in `folder` gives in backquotes and that no file has. */
function missing(text: string, folder: string): string[] {
  const named = [...text.matchAll(/`([\w./-]+\.(?:ts|proto))`/g)].map((match) => match[1]!);
  return named.filter((name) => {
    const places = [join(folder, name), join(folder, "..", name), join("src", name), name];
    // A name alone may be of any folder below, and a test's of any.
    const below = name.endsWith(".test.ts") ? "test" : folder;
    return (
      !places.some(existsSync) && !files.some((path) => path.startsWith(below) && path.endsWith(`/${name}`))
    );
  });
}

describe("ARCHITECTURE.md", () => {
  const text = read("ARCHITECTURE.md");

  it("tells for every room what it may import", () => {
    const rows = [...text.matchAll(/^\| `src\/(\w+)\/` \|.*\| ([^|]+) \|$/gm)];
    const told = rows.map(([, room, allowed]) => [
      room!,
      allowed!.match(/\w+/g)!.filter((word) => word in ROOMS),
    ]);
    expect(Object.fromEntries(told)).toEqual(ROOMS);
  });

  it("names no file that is not there", () => {
    expect(missing(text, "src")).toEqual([]);
  });
});

describe("the rooms' READMEs", () => {
  it.each(readmes)("%s names no file that is not there", (path) => {
    expect(missing(read(path), dirname(path))).toEqual([]);
  });
});
