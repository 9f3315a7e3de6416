import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, sep } from "node:path";
import { Failure } from "./failure.mjs";
import { runTool } from "./process.mjs";

/** The Node that dependencies need while they install: an older npm run leaves parts of Hardhat out. */
const INSTALL_NODE = [22, 13];
/** The Node that scripts need: it runs TypeScript as it is. */
const SCRIPT_NODE = [22, 18];
const FETCHED_NODE = "node@24";
/**
 * Not `npm ci`: it refuses a lockfile that lacks optional packages of other platforms, and a registry that
 * mirrors only one platform makes such lockfiles. Without saving, `install` takes the locked versions too.
 */
const INSTALL_ARGS = [
  "install",
  "--no-save",
  "--include=dev",
  "--include=optional",
  "--prefer-offline",
  "--no-audit",
  "--no-fund",
];

function atLeast(version, [major, minor]) {
  const [a, b] = version.replace(/^v/, "").split(".").map(Number);
  return a > major || (a === major && b >= minor);
}

function versionOf(binary) {
  const run = spawnSync(binary, ["--version"], { encoding: "utf8" });
  return run.status === 0 ? run.stdout.trim() : undefined;
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

function isGlibc() {
  return process.report?.getReport().header.glibcVersionRuntime !== undefined;
}

/** Whether an optional package of the lockfile is one made for this machine. */
function isForThisMachine({ os, cpu, libc }) {
  if (os === undefined || cpu === undefined) return false;
  if (!os.includes(process.platform) || !cpu.includes(process.arch)) return false;
  return process.platform !== "linux" || libc === undefined || libc.includes(isGlibc() ? "glibc" : "musl");
}

/**
 * What the lockfile names and node_modules lacks or has in another version. npm writes its own list, which
 * this reads, as the last act of an installation, so an interrupted one lacks everything.
 */
function missingPackages(root) {
  const locked = readPackages(join(root, "package-lock.json"));
  if (locked === undefined) throw new Failure("package-lock.json is missing or damaged");
  const present = readPackages(join(root, "node_modules", ".package-lock.json")) ?? {};
  return Object.entries(locked)
    .filter(([path, wanted]) => {
      if (path === "") return false;
      const found = present[path];
      if (found === undefined) return !(wanted.optional || wanted.devOptional) || isForThisMachine(wanted);
      return found.version !== wanted.version || found.integrity !== wanted.integrity;
    })
    .map(([path]) => path.replace(/^.*node_modules\//, ""));
}

/** What `npm ci` would refuse too: a lockfile that was not made for this package.json. */
function requireMatchingLockfile(root) {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const locked = readPackages(join(root, "package-lock.json"))?.[""] ?? {};
  for (const kind of ["dependencies", "devDependencies", "optionalDependencies"]) {
    const [wanted, found] = [manifest[kind] ?? {}, locked[kind] ?? {}];
    const names = new Set([...Object.keys(wanted), ...Object.keys(found)]);
    const differing = [...names].filter((name) => wanted[name] !== found[name]);
    if (differing.length > 0) {
      throw new Failure(
        `package.json and package-lock.json differ in ${differing.join(", ")}: run npm install`,
      );
    }
  }
}

function stampFile(root) {
  return join(root, "node_modules", ".rivulet-install");
}

function stampOf(root) {
  const lockfile = readFileSync(join(root, "package-lock.json"));
  const platform = `${process.platform}-${process.arch}`;
  return `${createHash("sha256").update(lockfile).digest("hex")} ${platform}\n`;
}

function projectNode(root) {
  return join(root, "node_modules", "node", "bin", "node");
}

/**
 * Whether node_modules is what the lockfile says. An installation made by hand counts too, if complete.
 */
export function isInstalled(root) {
  const stamp = stampFile(root);
  if (!existsSync(join(root, "node_modules", ".package-lock.json"))) return false;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === stampOf(root)) return true;
  if (missingPackages(root).length > 0) return false;
  writeFileSync(stamp, stampOf(root));
  return true;
}

/** PATH without this project's own tools, which an installation is about to replace. */
function outsidePath(root) {
  const inside = join(root, "node_modules") + sep;
  const path = (process.env.PATH ?? "").split(delimiter).filter((entry) => {
    return entry !== "" && !`${entry}${sep}`.startsWith(inside);
  });
  const running = dirname(realpathSync(process.execPath));
  return (running.startsWith(inside) ? path : [...path, running]).join(delimiter);
}

function findOnPath(name, path) {
  return path
    .split(delimiter)
    .map((entry) => join(entry, name))
    .find((file) => existsSync(file));
}

/** Installs exactly what the lockfile names, under a Node that npm needs to do so completely. */
export async function install(root, { lock, say }) {
  const started = performance.now();
  const env = { ...process.env, PATH: outsidePath(root) };
  const node = findOnPath("node", env.PATH);
  if (findOnPath("npm", env.PATH) === undefined || node === undefined) {
    throw new Failure("npm is not on PATH; install Node 20 or newer with npm");
  }
  const version = versionOf(node) ?? "unknown";
  const npm = ["npm", ...INSTALL_ARGS];
  const fetched = ["npx", "-y", "-p", FETCHED_NODE, "--", ...npm];
  const recent = atLeast(version, INSTALL_NODE);
  const means = recent
    ? `Node ${version}`
    : `a fetched ${FETCHED_NODE}, as Node ${version} is too old for npm`;
  say(`installing dependencies with ${means} (about a minute)`);
  requireMatchingLockfile(root);
  // npm trusts the folders it finds, and an interrupted installation leaves half-filled ones.
  rmSync(join(root, "node_modules"), { recursive: true, force: true });
  const [command, ...args] = recent ? npm : fetched;
  await runTool(command, args, { cwd: root, env, lock });
  const missing = missingPackages(root);
  if (missing.length > 0)
    throw new Failure(`npm left out ${missing.slice(0, 5).join(", ")}; run the command again`);
  requireScriptNode(root);
  lock.assertHeld();
  writeFileSync(stampFile(root), stampOf(root));
  say(`installed in ${Math.round((performance.now() - started) / 1000)} s`);
}

/**
 * The folder of the Node that runs everything here: the one from node_modules, so that every machine uses
 * the same, or on platforms for which there is none the running one, if new enough.
 */
function requireScriptNode(root) {
  const own = versionOf(projectNode(root));
  if (own !== undefined && atLeast(own, SCRIPT_NODE)) return join(root, "node_modules", ".bin");
  if (atLeast(process.version, SCRIPT_NODE)) return dirname(process.execPath);
  const wanted = SCRIPT_NODE.join(".");
  throw new Failure(
    `the package "node" could not install a Node for this machine, and ${process.version} is too old: ` +
      `install Node ${wanted} or newer, or allow the install script of "node"`,
  );
}

/** PATH for everything this project runs: its Node first, then its tools. */
export function projectPath(root) {
  const bin = join(root, "node_modules", ".bin");
  const first = requireScriptNode(root);
  return [...new Set([first, bin, ...(process.env.PATH ?? "").split(delimiter)])].join(delimiter);
}
