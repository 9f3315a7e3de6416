import { readFile } from "node:fs/promises";
import { parse, TomlError } from "smol-toml";
import { usage } from "../exitCodes.ts";
import {
  DEFAULT_CONFIG_FILE,
  flagOf,
  SETTINGS,
  type Setting,
  type SettingName,
  type Settings,
  type SettingValues,
  variableOf,
} from "./settings.ts";
import { similarTo } from "./similar.ts";

export type Source = "flag" | "environment" | "file" | "default";

/** A setting with its value and where it came from. */
export interface Resolved {
  readonly name: SettingName;
  readonly setting: Setting;
  readonly value: unknown;
  readonly source: Source;
  /** The flag, variable or file. */
  readonly place: string | undefined;
}

export interface Configuration {
  readonly settings: Settings;
  readonly resolved: readonly Resolved[];
  /** The file that was read, or would be. */
  readonly file: string;
  readonly fileExists: boolean;
}

export interface Sources {
  /** By setting's name, as commander gives them. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Undefined: the default one, which may be missing. */
  readonly file?: string | undefined;
  /** The file that `file` names must be there; `init` writes it. Default true. */
  readonly required?: boolean;
}

/** Reads all settings: flag, environment, file, default, in this order. What is wrong is named with its place. */
export async function loadConfiguration({
  flags,
  env,
  file,
  required = true,
}: Sources): Promise<Configuration> {
  const path = file ?? env.RIVULET_CONFIG ?? DEFAULT_CONFIG_FILE;
  const values = await readValues(path, required && file !== undefined);
  refuseUnknown(values ?? new Map(), path);
  const resolved = (Object.keys(SETTINGS) as SettingName[]).map((name) =>
    resolve(name, { flags, env, values: values ?? new Map(), path }),
  );
  const plain = Object.fromEntries(
    resolved.map(({ name, value }) => [name, value]),
  ) as unknown as SettingValues;
  return { settings: settingsOf(plain), resolved, file: path, fileExists: values !== undefined };
}

interface Given {
  readonly flags: Sources["flags"];
  readonly env: Sources["env"];
  readonly values: ReadonlyMap<string, unknown>;
  readonly path: string;
}

function resolve(name: SettingName, { flags, env, values, path }: Given): Resolved {
  const setting: Setting = SETTINGS[name];
  const variable = variableOf(setting.key);
  const candidates: readonly [Source, string, unknown][] = [
    ["flag", `--${flagOf(setting.key)}`, flags[name]],
    ["environment", variable, env[variable]],
    ["file", path, values.get(setting.key)],
  ];
  for (const [source, place, raw] of candidates) {
    if (raw === undefined) continue;
    return {
      name,
      setting,
      source,
      place,
      value: checked(setting, raw, source === "file" ? `${path}: ${setting.key}` : place),
    };
  }
  return {
    name,
    setting,
    source: "default",
    place: undefined,
    value: checked(setting, undefined, setting.key),
  };
}

function checked(setting: Setting, raw: unknown, place: string): unknown {
  const parsed = setting.schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const reason = parsed.error.issues[0]!.message;
  throw usage(
    `${place}: ${setting.secret ? "this value" : JSON.stringify(raw)} cannot be used: ${reason}`,
    setting.help,
  );
}

/** The file's values by key (`chain.rpc`), or undefined where there is no file and none was asked for. */
async function readValues(path: string, required: boolean): Promise<Map<string, unknown> | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && !required) return undefined;
    throw usage(`the configuration ${path} cannot be read (${code})`, "`rivulet init` writes one.");
  }
  try {
    return new Map(flatten(parse(text), ""));
  } catch (error) {
    if (error instanceof TomlError) throw usage(`${path}:${error.line}: ${error.message.split("\n")[0]}`);
    throw error;
  }
}

function* flatten(table: object, prefix: string): Generator<[string, unknown]> {
  for (const [name, value] of Object.entries(table)) {
    const isTable = typeof value === "object" && value !== null && !Array.isArray(value);
    if (isTable) yield* flatten(value, `${prefix}${name}.`);
    else yield [`${prefix}${name}`, value];
  }
}

/** A name that means nothing is a mistake, and a limit that is spelled wrong would be none. */
function refuseUnknown(values: ReadonlyMap<string, unknown>, path: string): void {
  const known = new Set<string>(Object.values(SETTINGS).map(({ key }) => key));
  for (const key of values.keys()) {
    if (known.has(key)) continue;
    const meant = similarTo(key, known);
    const all = `There are ${[...known].join(", ")}.`;
    throw usage(
      `${path}: there is no setting "${key}"`,
      meant === undefined ? all : `Did you mean ${meant}? ${all}`,
    );
  }
}

function settingsOf(values: SettingValues): Settings {
  const {
    apiHost,
    apiPort,
    apiTlsCert,
    apiTlsKey,
    apiAllowRemote,
    apiHosts,
    apiOrigins,
    metricsPublic,
    ...rest
  } = values;
  return {
    ...rest,
    api: {
      host: apiHost,
      port: apiPort,
      tlsCert: apiTlsCert,
      tlsKey: apiTlsKey,
      allowRemote: apiAllowRemote,
      hosts: apiHosts,
      origins: apiOrigins,
      metricsPublic,
    },
  };
}
