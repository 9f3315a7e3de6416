// Makes a fresh clone ready and then runs a command in it:
//
//   node scripts/bootstrap.mjs [--until install|generate|build] [command [args…]]
//
// It installs what the lockfile names, generates code, builds `dist`, each only when something changed,
// and then runs the command under the project's own Node with `node_modules/.bin` first on PATH. It is
// plain JavaScript without dependencies, so that it runs on Node 20 with nothing installed. Whatever it
// has to say goes to standard error: standard output belongs to the command.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSteps, isFresh, runBuildStep } from "./lib/build.mjs";
import { Failure } from "./lib/failure.mjs";
import { install, isInstalled, projectPath } from "./lib/install.mjs";
import { withLock } from "./lib/lock.mjs";
import { runTask } from "./lib/process.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const STAGES = ["install", "generate", "build"];

function say(line) {
  process.stderr.write(`rivulet: ${line}\n`);
}

function parse(argv) {
  const rest = [...argv];
  let until = "build";
  if (rest[0] === "--until") {
    until = rest[1];
    if (!STAGES.includes(until)) throw new Failure(`--until wants one of ${STAGES.join(", ")}`);
    rest.splice(0, 2);
  }
  return { until, command: rest[0], args: rest.slice(1) };
}

/** Every step up to `until`, as pairs of "is it done?" and "do it". */
function plan(until) {
  const steps = [
    { name: "install", fresh: () => isInstalled(ROOT), run: (context) => install(ROOT, context) },
    ...buildSteps(ROOT).map((step) => ({
      name: step.name,
      stage: step.stage,
      fresh: () => isFresh(ROOT, step),
      run: (context) => runBuildStep(ROOT, step, context),
    })),
  ];
  return steps.filter(({ stage = "install" }) => STAGES.indexOf(stage) <= STAGES.indexOf(until));
}

async function prepare(until) {
  const steps = plan(until);
  // The usual case takes no lock: when all is fresh there is nothing to race for.
  if (steps.every((step) => step.fresh())) return;
  await withLock(join(ROOT, ".bootstrap", "lock"), say, async (lock) => {
    // Asked again under the lock, since another bootstrap may just have done the work.
    for (const step of steps) if (!step.fresh()) await step.run({ lock, say });
  });
}

async function main() {
  if (process.platform === "win32") throw new Failure("this project is built on Linux and macOS only");
  const { until, command, args } = parse(process.argv.slice(2));
  await prepare(until);
  if (command === undefined) return;
  await runTask(command, args, { cwd: ROOT, env: { ...process.env, PATH: projectPath(ROOT) } });
}

main().catch((error) => {
  say(error instanceof Failure ? error.message : (error.stack ?? String(error)));
  process.exitCode = error.exitCode ?? 1;
});
