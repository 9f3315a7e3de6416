import { access, readFile } from "node:fs/promises";

export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The password in a file, without the line's end that editors add. */
export async function passwordIn(file: string): Promise<string> {
  return (await readFile(file, "utf8")).replace(/\r?\n$/, "");
}
