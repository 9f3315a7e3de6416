import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MODULES = join(ROOT, "node_modules");

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder in which this package is installed as `npm pack` makes it, beside its dependencies. */
export interface Project {
  readonly path: string;
  /** Runs a command of a shell, with this Node and the project's tools first. */
  run(command: string): Promise<Ran>;
  remove(): Promise<void>;
}

/** `without`: packages that are not installed there. */
export async function createProject({ without = [] as readonly string[] } = {}): Promise<Project> {
  const path = await mkdtemp(join(tmpdir(), "rivulet-project-"));
  const modules = join(path, "node_modules");
  const target = join(modules, "rivulet");
  await mkdir(target, { recursive: true });
  const packed = await shell(`npm pack --ignore-scripts --json --pack-destination "${path}"`, ROOT);
  if (packed.code !== 0) throw new Error(packed.stderr);
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
  const unpacked = await shell(
    `tar -xzf "${join(path, filename)}" -C "${target}" --strip-components 1`,
    path,
  );
  if (unpacked.code !== 0) throw new Error(unpacked.stderr);
  for (const name of await readdir(MODULES)) {
    if (!name.startsWith(".") || name === ".bin") {
      if (!without.includes(name)) await symlink(join(MODULES, name), join(modules, name));
    }
  }
  return {
    path,
    run: (command) => shell(command, path),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

function shell(command: string, cwd: string): Promise<Ran> {
  const paths = [dirname(process.execPath), join(cwd, "node_modules", ".bin"), process.env.PATH];
  const env = { ...process.env, PATH: paths.join(delimiter), NO_COLOR: "1", NODE_OPTIONS: "" };
  return new Promise((resolve) => {
    execFile("sh", ["-c", command], { cwd, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 1, stdout, stderr });
    });
  });
}

/** A block of code in a document. */
export interface Block {
  readonly language: string;
  /** The file it is, if it says so. */
  readonly file: string | undefined;
  /** Whether it is a command to run. */
  readonly run: boolean;
  readonly text: string;
}

export async function blocksOf(document: string): Promise<readonly Block[]> {
  const text = await readFile(join(ROOT, document), "utf8");
  return [...text.matchAll(/^```(\w+)([^\n]*)\n([\s\S]*?)^```$/gm)].map(([, language, about, body]) => ({
    language: language!,
    file: /file=(\S+)/.exec(about!)?.[1],
    run: /\brun\b/.test(about!),
    text: body!,
  }));
}
