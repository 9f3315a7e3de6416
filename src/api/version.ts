import { readFileSync } from "node:fs";
import { join } from "node:path";

/** This program's version, from its own package. */
export const VERSION: string = (
  JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8")) as {
    readonly version: string;
  }
).version;
