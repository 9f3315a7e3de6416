import { spawn } from "node:child_process";
import { constants } from "node:os";
import { Failure } from "./failure.mjs";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
/** Enough of a tool's output to understand why it failed. */
const KEPT_OUTPUT_BYTES = 256 * 1024;

/**
 * Passes our signals on to `child` and returns a function that stops doing so. A terminal sends its own
 * interrupt to the whole foreground group: passing that on would make it two, which many programs read
 * as "stop at once".
 */
function forwardSignals(child, onSignal = () => {}) {
  const handlers = FORWARDED.map((signal) => {
    const fromTerminal = process.stdin.isTTY && (signal === "SIGINT" || signal === "SIGQUIT");
    const handler = () => {
      onSignal(signal);
      if (!fromTerminal) child.kill(signal);
    };
    process.on(signal, handler);
    return [signal, handler];
  });
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

/**
 * Runs the command the user asked for, with our own standard streams, and ends this process as it ended:
 * with its exit code, or by the signal that killed it.
 */
export async function runTask(command, args, options) {
  const child = spawn(command, args, { ...options, stdio: "inherit" });
  const stopForwarding = forwardSignals(child);
  const { code, signal } = await new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new Failure(`cannot run ${command}: ${error.message}`, 127)));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  stopForwarding();
  if (signal === null) {
    process.exitCode = code;
    return;
  }
  process.exitCode = 128 + (constants.signals[signal] ?? 0);
  process.kill(process.pid, signal);
}

/**
 * Runs a tool quietly: what it prints is shown only if it fails. `lock`, if given, learns the child's
 * process id, so that nobody takes the lock over while an orphaned tool still works.
 */
export async function runTool(command, args, { cwd, env, lock }) {
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let interrupted;
  const stopForwarding = forwardSignals(child, (signal) => {
    interrupted = signal;
  });
  const output = [];
  let bytes = 0;
  const keep = (chunk) => {
    output.push(chunk);
    bytes += chunk.length;
    while (bytes > KEPT_OUTPUT_BYTES) bytes -= output.shift().length;
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  try {
    const ended = new Promise((resolve, reject) => {
      child.once("error", (error) => reject(new Failure(`cannot run ${command}: ${error.message}`)));
      child.once("close", (code, signal) => resolve({ code, signal }));
    });
    if (child.pid !== undefined) lock?.setChild(child.pid);
    const { code, signal } = await ended;
    if (interrupted) {
      throw new Failure(`interrupted (${interrupted})`, 128 + constants.signals[interrupted]);
    }
    if (code !== 0) {
      const how = signal === null ? `exit code ${code}` : signal;
      process.stderr.write(Buffer.concat(output));
      throw new Failure(`${[command, ...args].join(" ")} failed (${how})`);
    }
    return Buffer.concat(output).toString("utf8");
  } finally {
    stopForwarding();
    lock?.setChild(undefined);
  }
}
