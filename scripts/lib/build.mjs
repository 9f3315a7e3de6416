import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { Failure } from "./failure.mjs";
import { projectPath } from "./install.mjs";
import { runTool } from "./process.mjs";

function findSchemas(root) {
  return filesUnder(join(root, "src"))
    .filter((file) => file.endsWith(".proto"))
    .map((file) => relative(root, file));
}

/** Each schema's code goes beside it. */
function generatedFolder(schema) {
  return join(dirname(schema), "generated");
}

/**
 * What is generated from what, in order. A step is done again when the contents of its inputs or of its
 * outputs differ from those after its last success; so an interrupted or tampered build mends itself.
 */
export function buildSteps(root) {
  const dist = join(root, "dist");
  const fresh = join(root, ".dist");
  const schemas = findSchemas(root);
  return [
    {
      name: "contracts",
      stage: "generate",
      inputs: ["contracts", "hardhat.config.ts", "package-lock.json"],
      accept: (path) => !path.startsWith("contracts/") || /(?<!\.t)\.sol$/.test(path),
      outputs: ["artifacts/contracts", "src/chain/generated"],
      // A binding whose contract is gone must not linger.
      before: () => rmSync(join(root, "src/chain/generated"), { recursive: true, force: true }),
      commands: [["hardhat", "build", "--no-tests"]],
    },
    {
      name: "contract data",
      stage: "generate",
      inputs: ["artifacts/contracts", "scripts/lib/contractData.mjs", "package-lock.json"],
      outputs: ["src/dev/generated"],
      before: () => rmSync(join(root, "src/dev/generated"), { recursive: true, force: true }),
      commands: [["node", "scripts/lib/contractData.mjs"]],
    },
    {
      name: "schemas",
      stage: "generate",
      inputs: [...schemas, "package-lock.json"],
      outputs: [...new Set(schemas.map(generatedFolder))],
      before: () => {
        for (const schema of schemas) mkdirSync(join(root, generatedFolder(schema)), { recursive: true });
      },
      commands: schemas.map((schema) => ["protons", "--output", generatedFolder(schema), schema]),
    },
    {
      name: "dist",
      stage: "build",
      inputs: ["src", "tsconfig.json", "tsconfig.build.json", "package-lock.json"],
      accept: (path) => !path.endsWith(".md"),
      outputs: ["dist"],
      // Built beside and renamed into place: nothing ever runs from a half-written or outdated file.
      before: () => rmSync(fresh, { recursive: true, force: true }),
      commands: [["tsc", "-p", "tsconfig.build.json", "--outDir", fresh]],
      after: () => replaceFolder(fresh, dist),
    },
  ];
}

function replaceFolder(fresh, target) {
  if (!existsSync(fresh)) throw new Failure("the compiler wrote nothing");
  const old = `${fresh}.old`;
  rmSync(old, { recursive: true, force: true });
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

function filesUnder(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .flatMap((entry) => {
      const child = join(path, entry.name);
      return entry.isDirectory() ? filesUnder(child) : [child];
    })
    .sort();
}

/** A hash over names and contents; undefined if one of `paths` does not exist or is empty. */
function hashOf(root, paths, accept = () => true) {
  const hash = createHash("sha256");
  for (const path of paths) {
    const names = filesUnder(join(root, path)).map((file) => relative(root, file).split(sep).join("/"));
    const accepted = names.filter(accept);
    if (accepted.length === 0) return undefined;
    for (const name of accepted) {
      const content = createHash("sha256")
        .update(readFileSync(join(root, name)))
        .digest("hex");
      hash.update(`${name}\0${content}\n`);
    }
  }
  return hash.digest("hex");
}

function stampFile(root, step) {
  return join(root, ".bootstrap", "stamps", step.name.replaceAll(" ", "-"));
}

function stampOf(root, step) {
  const outputs = hashOf(root, step.outputs);
  if (outputs === undefined) return undefined;
  const commands = JSON.stringify(step.commands).replaceAll(root, ".");
  const recipe = createHash("sha256").update(commands).digest("hex");
  return `${hashOf(root, step.inputs, step.accept)} ${outputs} ${recipe}\n`;
}

export function isFresh(root, step) {
  const file = stampFile(root, step);
  return existsSync(file) && readFileSync(file, "utf8") === stampOf(root, step);
}

export async function runBuildStep(root, step, { lock, say }) {
  const started = performance.now();
  say(`building ${step.name}`);
  const env = { ...process.env, PATH: projectPath(root) };
  const file = stampFile(root, step);
  rmSync(file, { force: true });
  const inputs = hashOf(root, step.inputs, step.accept);
  step.before?.();
  for (const [command, ...args] of step.commands) await runTool(command, args, { cwd: root, env, lock });
  step.after?.();
  lock.assertHeld();
  const stamp = stampOf(root, step);
  if (stamp === undefined)
    throw new Failure(`building ${step.name} produced nothing in ${step.outputs.join(", ")}`);
  // Edited while it was being built: leave no stamp, the next run builds again.
  if (hashOf(root, step.inputs, step.accept) === inputs) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, stamp);
  }
  say(`built ${step.name} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
