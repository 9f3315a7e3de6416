import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const LIBRARY = new URL("../../scripts/lib/", import.meta.url).href;

interface Step {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly commands: readonly (readonly string[])[];
}

interface Context {
  readonly lock: { readonly assertHeld: () => void; readonly setChild: (pid?: number) => void };
  readonly say: (line: string) => void;
}

const build = (await import(`${LIBRARY}build.mjs`)) as {
  readonly isFresh: (root: string, step: Step) => boolean;
  readonly runBuildStep: (root: string, step: Step, context: Context) => Promise<void>;
};

let folder: string;
let children: ChildProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rivulet-bootstrap-"));
  children = [];
});

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

/** Runs a module's text in a process of its own. */
function run(code: string): ChildProcess {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

async function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return code ?? (signal as NodeJS.Signals);
}

/** A process that holds the lock while it does `work`, and writes down when it starts and ends. */
function holder(name: string, work: string): ChildProcess {
  return run(`
    import { withLock } from "${LIBRARY}lock.mjs";
    import { runTool } from "${LIBRARY}process.mjs";
    import { appendFileSync, existsSync } from "node:fs";
    import { setTimeout as sleep } from "node:timers/promises";
    const note = (what) => appendFileSync(${JSON.stringify(join(folder, "log"))}, what + " ${name}\\n");
    await withLock(${JSON.stringify(join(folder, "state", "lock"))}, () => {}, async (lock) => {
      note("start");
      ${work}
      note("end");
    });
  `);
}

async function logged(): Promise<string[]> {
  const text = await readFile(join(folder, "log"), "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe("the lock", () => {
  it("lets one process in at a time", async () => {
    const exits = ["a", "b", "c", "d"].map((name) => exitOf(holder(name, "await sleep(100);")));
    expect(await Promise.all(exits)).toEqual([0, 0, 0, 0]);
    const lines = await logged();
    expect(lines).toHaveLength(8);
    for (let index = 0; index < lines.length; index += 2) {
      expect(lines[index + 1]).toBe(lines[index]?.replace("start", "end"));
    }
  });

  it("passes on when its holder was killed", async () => {
    const killed = holder("killed", "await sleep(60_000);");
    await until(async () => (await logged()).length === 1);
    killed.kill("SIGKILL");
    expect(await exitOf(holder("next", ""))).toBe(0);
    expect(await logged()).toEqual(["start killed", "start next", "end next"]);
  });

  it("stays taken while a tool that a killed holder started still runs", async () => {
    const marks = { up: join(folder, "up"), go: join(folder, "go") };
    const tool = `
      const fs = require("node:fs");
      fs.writeFileSync(${JSON.stringify(marks.up)}, "");
      setInterval(() => { if (fs.existsSync(${JSON.stringify(marks.go)}) || !fs.existsSync(${JSON.stringify(marks.up)})) process.exit(0); }, 20);
    `;
    const killed = holder(
      "killed",
      `await runTool(process.execPath, ["--eval", ${JSON.stringify(tool)}], { env: process.env, lock });`,
    );
    await until(async () => (await readFile(marks.up).catch(() => undefined)) !== undefined);
    killed.kill("SIGKILL");
    await exitOf(killed);
    const next = exitOf(holder("next", ""));
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(await logged()).toEqual(["start killed"]);
    await writeFile(marks.go, "");
    expect(await next).toBe(0);
    expect(await logged()).toEqual(["start killed", "start next", "end next"]);
  });
});

describe("a build step", () => {
  const context: Context = { lock: { assertHeld: () => {}, setChild: () => {} }, say: () => {} };
  const copy = "require('node:fs').cpSync('in', 'out', { recursive: true })";
  const step: Step = { name: "copy", inputs: ["in"], outputs: ["out"], commands: [["node", "--eval", copy]] };

  beforeEach(async () => {
    await mkdir(join(folder, "in"));
    await writeFile(join(folder, "in", "a"), "1");
  });

  it("is done once, and again after any change to what went in or came out", async () => {
    const again = async () => {
      expect(build.isFresh(folder, step)).toBe(false);
      await build.runBuildStep(folder, step, context);
      expect(build.isFresh(folder, step)).toBe(true);
    };
    await again();
    await appendFile(join(folder, "in", "a"), "2");
    await again();
    await writeFile(join(folder, "in", "b"), "");
    await again();
    await appendFile(join(folder, "out", "a"), "tampered");
    await again();
    await rm(join(folder, "out"), { recursive: true });
    await again();
    expect(await readFile(join(folder, "out", "a"), "utf8")).toBe("12");
  });

  it("leaves no stamp when it fails, not even that of an earlier success", async () => {
    await build.runBuildStep(folder, step, context);
    const failing: Step = { ...step, commands: [["node", "--eval", "process.exit(3)"]] };
    await expect(build.runBuildStep(folder, failing, context)).rejects.toThrow("exit code 3");
    expect(build.isFresh(folder, step)).toBe(false);
  });

  it("leaves no stamp when its input changed meanwhile", async () => {
    const changing = `${copy}; require('node:fs').writeFileSync('in/a', 'later')`;
    await build.runBuildStep(folder, { ...step, commands: [["node", "--eval", changing]] }, context);
    expect(build.isFresh(folder, { ...step, commands: [["node", "--eval", changing]] })).toBe(false);
  });

  it("fails when nothing came out", async () => {
    const idle: Step = { ...step, commands: [["node", "--eval", ""]] };
    await expect(build.runBuildStep(folder, idle, context)).rejects.toThrow("produced nothing");
  });
});

describe("the task", () => {
  const task = (code: string) =>
    run(`
      import { runTask } from "${LIBRARY}process.mjs";
      await runTask(process.execPath, ["--eval", ${JSON.stringify(code)}], { env: process.env });
    `);

  it("hands on its exit code", async () => {
    expect(await exitOf(task("process.exit(42)"))).toBe(42);
  });

  it("hands on the signal that ended it", async () => {
    expect(await exitOf(task("process.kill(process.pid, 'SIGKILL')"))).toBe("SIGKILL");
  });

  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("is sent %s, and may end as it likes", async (signal) => {
    const child = task(`
      process.once("${signal}", () => process.exit(7));
      setInterval(() => {}, 1000);
      console.log("ready");
    `);
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill(signal);
    expect(await exitOf(child)).toBe(7);
  });

  it("owns standard output", async () => {
    const child = task("console.log('{}')");
    const output: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => output.push(chunk));
    await once(child, "close");
    expect(Buffer.concat(output).toString()).toBe("{}\n");
  });
});
