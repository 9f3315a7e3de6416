import { randomBytes } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** The secret in the file, or undefined where there is none. Nobody else may read it afterwards. */
export async function readSecret(path: string): Promise<string | undefined> {
  try {
    const secret = (await readFile(path, "utf8")).trim();
    await chmod(path, 0o600);
    return secret;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Replaces the file as a whole, durably: a crash leaves the old one or the new one. Only its owner may read it. */
export async function writeSecret(path: string, secret: string): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const fresh = `${path}.${randomBytes(6).toString("hex")}`;
  // `wx` follows no link that somebody laid there before.
  const file = await open(fresh, "wx", 0o600);
  try {
    await file.writeFile(`${secret}\n`);
    await file.sync();
    await file.close();
    await rename(fresh, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(fresh, { force: true });
    throw error;
  }
  const folder = await open(directory, "r");
  await folder.sync().finally(() => folder.close());
}
