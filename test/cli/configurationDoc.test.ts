import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import { flagOf, SETTINGS, type Setting, variableOf } from "../../src/cli/config/settings.ts";
import { EXIT } from "../../src/cli/exitCodes.ts";

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");

/** Rows of all tables, as their cells. */
const rowsOf = (text: string) =>
  text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

const configuration = read("configuration.md");
const settings: readonly Setting[] = Object.values(SETTINGS);

describe("docs/configuration.md", () => {
  const rows = rowsOf(configuration);

  it.each(settings.map(({ key }) => key))("tells %s with its flag and its variable", (key) => {
    const row = rows.find(([name]) => name === `\`${key}\``);
    expect(row?.slice(1, 3)).toEqual([`\`--${flagOf(key)}\``, `\`${variableOf(key)}\``]);
  });

  it("tells no setting that there is not", () => {
    const told = rows.filter(([, flag]) => flag?.startsWith("`--")).map(([name]) => name);
    expect(told).toEqual(settings.map(({ key }) => `\`${key}\``));
  });

  it("tells the defaults", () => {
    for (const { key, schema } of settings) {
      const { success, data } = schema.safeParse(undefined);
      if (!success || data === undefined || key === "data_dir") continue;
      const cell = rows.find(([name]) => name === `\`${key}\``)![3]!;
      const values: unknown[] = Array.isArray(data) ? data : [data];
      for (const value of values) expect(cell, key).toContain(`\`${value}\``);
    }
  });

  it("has an example that can be used", () => {
    const example = /```toml\n([\s\S]*?)```/.exec(configuration)![1]!;
    const given = Object.entries(parse(example)).flatMap(([name, value]) =>
      typeof value === "object" && !Array.isArray(value)
        ? Object.entries(value).map(([inner, one]) => [`${name}.${inner}`, one] as const)
        : [[name, value] as const],
    );
    expect(given.length).toBeGreaterThan(5);
    for (const [key, value] of given) {
      const setting = settings.find((one) => one.key === key);
      expect(setting?.schema.safeParse(value).success, key).toBe(true);
    }
  });
});

describe("docs/cli.md", () => {
  const rows = rowsOf(read("cli.md"));

  it.each(Object.entries(EXIT))("tells the exit code %s", (_name, code) => {
    expect(rows.map(([cell]) => cell)).toContain(String(code));
  });

  it("tells every command and no other", () => {
    const told = rows.flatMap(([cell]) =>
      [...cell!.matchAll(/`([a-z][a-z -]*?)(?: [<[][^`]*)?`/g)].map(([, name]) => name!),
    );
    const groups = new Set(told.filter((name) => name.includes(" ")).map((name) => name.split(" ")[0]!));
    const there = [
      ...commandsOf(),
      ...[...groups].flatMap((group) => commandsOf(group).map((inner) => `${group} ${inner}`)),
    ];
    const missing = there.filter((name) => !told.includes(name) && name !== "token");
    expect(missing).toEqual([]);
    expect(told.filter((name) => !there.includes(name))).toEqual([]);
  });
});

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** What `--help` lists, in a process of its own: the program runs where it is loaded. */
function commandsOf(...command: string[]): string[] {
  const help = execFileSync(process.execPath, [MAIN, ...command, "--help"], { encoding: "utf8" });
  const [, list = ""] = help.split("\nCommands:\n");
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== "help");
}
