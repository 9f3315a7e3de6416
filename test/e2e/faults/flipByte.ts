import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { seededRandom } from "../../../dist/store/random.js";

/** Flips one bit of one byte well inside the largest of LevelDB's files in `directory`. */
export async function flipByte(directory: string, seed: number): Promise<void> {
  let largest = { path: "", size: 0 };
  for (const name of await readdir(directory)) {
    if (!/\.(log|ldb)$/.test(name)) continue;
    const path = join(directory, name);
    const { size } = await stat(path);
    if (size > largest.size) largest = { path, size };
  }
  const random = seededRandom(seed);
  const at = Math.floor(largest.size * (0.25 + random() / 4));
  const file = await open(largest.path, "r+");
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0]! ^= 1 << Math.floor(random() * 8);
    await file.write(byte, 0, 1, at);
    await file.sync();
  } finally {
    await file.close();
  }
}
