import { access, open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { usage } from "./exitCodes.ts";

export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Any right of the group or of others. */
const OTHERS = 0o077;

/**
 * The password in a file, without the line's end that editors add. A file that others may read is refused, except among
 * the credentials of a systemd service, which nobody else can reach and whose mode says something else.
 */
export async function passwordIn(file: string): Promise<string> {
  let text: string;
  let mode: number;
  try {
    const opened = await open(file, "r");
    try {
      ({ mode } = await opened.stat());
      text = await opened.readFile("utf8");
    } finally {
      await opened.close();
    }
  } catch (error) {
    throw usage(`the password's file ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if ((mode & OTHERS) !== 0 && process.platform !== "win32" && !isCredential(file))
    throw usage(`others may read the password in ${file}`, `chmod 600 ${file}`);
  const password = text.replace(/\r?\n$/, "");
  if (password === "") throw usage(`the password's file ${file} is empty`);
  return password;
}

function isCredential(file: string): boolean {
  const directory = process.env.CREDENTIALS_DIRECTORY;
  return directory !== undefined && dirname(resolve(file)) === resolve(directory);
}
