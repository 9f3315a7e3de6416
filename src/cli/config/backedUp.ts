import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parse, stringify } from "smol-toml";
import type { Configuration } from "./load.ts";
import type { SettingName } from "./settings.ts";

/** They say where things lie on one machine: on the next one they would be wrong, or name the old node's database. */
const OF_THE_MACHINE: ReadonlySet<SettingName> = new Set(["dataDir", "passwordFile"]);

/** The settings a node runs with, wherever they came from, as a configuration file has them; for its backup. */
export function backedUpConfig({ resolved }: Configuration): string {
  const set = resolved.filter(({ name, source }) => source !== "default" && !OF_THE_MACHINE.has(name));
  const tables: Record<string, unknown> = {};
  for (const { setting, value } of set) {
    const [first, second] = setting.key.split(".") as [string, string?];
    if (second === undefined) tables[first] = value;
    else tables[first] = { ...(tables[first] as object | undefined), [second]: value };
  }
  return stringify(tables);
}

/** Where the settings of a backup went: never over anything. */
export interface WrittenConfig {
  /** Undefined: nowhere. */
  readonly file: string | undefined;
  /** In words. */
  readonly told: string;
}

/** Writes a backup's settings where this node's are looked for, or beside its database where there are others. */
export async function writeBackedUp(text: string, { file, settings }: Configuration): Promise<WrittenConfig> {
  if (text === "") return { file: undefined, told: "not in the backup" };
  const dataDir = resolve(settings.dataDir);
  const content = forDirectory(text, dataDir);
  const aside = join(dataDir, "restored.toml");
  // Text that is no configuration is kept, where nothing reads it.
  if (content === undefined) return tried(aside, text, "they are no rivulet.toml");
  const first = await tried(file, content);
  return first.file === undefined ? tried(aside, content, first.told) : first;
}

async function tried(file: string, content: string, reason?: string): Promise<WrittenConfig> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    // It may name RPC servers, whose URLs may hold keys.
    await writeFile(file, content, { mode: 0o600, flag: "wx" });
    return { file, told: reason === undefined ? file : `${file}, since ${reason}` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const why = code === "EEXIST" ? "was there and is left as it is" : `cannot be written (${code})`;
    return { file: undefined, told: `${file} ${why}` };
  }
}

function forDirectory(text: string, dataDir: string): string | undefined {
  try {
    const { data_dir: _, password_file: __, ...rest } = parse(text);
    return `# Settings of a node that was restored from a backup.\n\n${stringify({ data_dir: dataDir, ...rest })}\n`;
  } catch {
    return undefined;
  }
}
