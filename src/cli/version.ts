import { readFileSync } from "node:fs";

interface Package {
  readonly version: string;
}

/** This program's version, from its own package. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as Package
).version;
