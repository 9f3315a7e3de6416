// Two nodes on a local chain: `npm run demo -- --help` says what it does and takes.
import { HELP, parseOptions, UsageError } from "./demo/options.ts";
import { reportJson, reportText } from "./demo/report.ts";
import { LiveScreen, PlainScreen } from "./demo/screen.ts";
import { exitCodeOf } from "./demo/verdict.ts";

/** Far beyond any machine's time: what hangs is ended and said. */
const LIMIT_MS = 15 * 60_000;

const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

class Interrupted extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === undefined) {
    process.stdout.write(HELP);
    return EXIT.ok;
  }
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(name, () => interrupt.abort(new Interrupted()));
  }
  const { json, prices } = options;
  // Standard output belongs to the machine that asked for JSON.
  const screen = json
    ? new PlainScreen(process.stderr)
    : process.stdout.isTTY
      ? new LiveScreen(process.stdout)
      : new PlainScreen(process.stdout);
  try {
    const signal = AbortSignal.any([interrupt.signal, AbortSignal.timeout(LIMIT_MS)]);
    const { runDemo } = await built();
    const result = await runDemo(options, screen, signal);
    screen.end();
    process.stdout.write(json ? reportJson(result, prices) : reportText(result, prices));
    return exitCodeOf(result.verdict);
  } catch (error) {
    screen.fail(interrupt.signal.aborted ? "interrupted" : "failed");
    screen.end();
    if (interrupt.signal.aborted) return EXIT.interrupted;
    throw error;
  }
}

/** What uses the package as its users do, and so needs it built. */
async function built(): Promise<typeof import("./demo/run.ts")> {
  try {
    return await import("./demo/run.ts");
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new Error("this clone is not built; npm run demo builds it first", { cause: error });
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const usage = error instanceof UsageError;
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(usage ? `${message}\n\n${HELP}` : `the demo failed: ${message}\n`);
    process.exitCode = usage ? EXIT.usage : EXIT.failed;
  },
);
