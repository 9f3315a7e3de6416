import type { Command } from "commander";
import { ApiProblem, Unreachable } from "../client/problem.ts";
import { loadConfiguration } from "./config/load.ts";
import { SETTINGS } from "./config/settings.ts";
import { CliError, EXIT, exitCodeOf, REQUEST_INVALID } from "./exitCodes.ts";
import { fieldsText } from "./fieldsText.ts";
import { takeSecrets } from "./secrets.ts";
import { type GlobalOptions, Shell } from "./shell.ts";
import { safe } from "./text.ts";

/** Turns what a command does into what commander calls: with a shell, and errors told as people need them. */
export type Run = <Args extends unknown[]>(
  action: (shell: Shell, ...args: Args) => Promise<void>,
) => (...args: Args) => Promise<void>;

/** Commands that write the file `--config` names if it is missing. */
const WRITE_CONFIGURATION: ReadonlySet<string> = new Set(["init", "restore"]);

/** Makes {@link Run} for one process. `signal` is aborted by Ctrl-C. */
export function runner(program: Command, signal: AbortSignal): Run {
  const secrets = takeSecrets(process.env);
  return (action) =>
    async (...args) => {
      const command = args.at(-1) as Command;
      const options = command.optsWithGlobals<GlobalOptions & { config?: string }>();
      let shell: Shell | undefined;
      try {
        const flags = Object.fromEntries(
          Object.keys(SETTINGS).map((name) => [name, flagValue(options, name)]),
        );
        const required = !WRITE_CONFIGURATION.has(command.name());
        const configuration = await loadConfiguration({
          flags,
          env: process.env,
          file: options.config,
          required,
        });
        shell = new Shell({ options, configuration, signal, secrets });
        await action(shell, ...args);
      } catch (error) {
        const json = options.json === true || program.opts<GlobalOptions>().json === true;
        process.exitCode = await tell(error, json, shell);
      }
    };
}

/** Settings' flags are commander's options of the same name in camel case. */
function flagValue(options: object, name: string): unknown {
  const { key } = SETTINGS[name as keyof typeof SETTINGS];
  const camel = key.replace(/[._]([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return (options as Record<string, unknown>)[camel];
}

/** Says what went wrong, whether money is at stake and what to do. Returns the exit code. */
async function tell(error: unknown, json: boolean, shell: Shell | undefined): Promise<number> {
  const exitCode = exitCodeOf(error);
  const told = await describe(error, exitCode, shell);
  if (json) process.stderr.write(`${JSON.stringify({ error: told })}\n`);
  else {
    process.stderr.write(`error: ${safe(told.message)}\n`);
    if (told.moneyAtStake) process.stderr.write("Money may be at stake.\n");
    // What to do may be a list; what is not safe to show has no lines.
    for (const line of told.action?.split("\n") ?? []) process.stderr.write(`${safe(line)}\n`);
    if (told.requestId !== undefined) process.stderr.write(`(request ${told.requestId} in the node's log)\n`);
  }
  return exitCode;
}

interface Told {
  readonly code: string;
  readonly message: string;
  readonly moneyAtStake: boolean;
  readonly action?: string | undefined;
  readonly requestId?: string | undefined;
}

/** The API's own words are for those who write requests by hand. */
const NO_TOKEN =
  "Give one with --token or RIVULET_TOKEN. The owner's is taken from admin.token in the data directory, but never sent to a node that --url names.";

type Failed = Partial<Told> & { readonly path?: string };

/** What the system says about files, for people. */
const FILE_ERRORS: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `there is no ${path}`,
  EACCES: (path) => `${path} may not be read or written by this user`,
  EPERM: (path) => `${path} may not be read or written by this user`,
  ENOTDIR: (path) => `a file is where a directory is needed for ${path}`,
  EISDIR: (path) => `${path} is a directory`,
  EEXIST: (path) => `${path} is there already`,
  EROFS: (path) => `${path} is on a disk that cannot be written`,
};

async function describe(error: unknown, exitCode: number, shell: Shell | undefined): Promise<Told> {
  if (error instanceof ApiProblem) {
    const { code, title, detail, moneyAtStake, requestId, idempotencyKey, fields } = error;
    if (code === REQUEST_INVALID) {
      const what = (fields.path ?? "").replace(/^\//, "") || fields.part || "the call";
      const toDo = "--help shows how it is written. Nothing was begun.";
      return { code, message: `${what}: ${fields.reason ?? title}`, moneyAtStake, action: toDo };
    }
    const key = idempotencyKey === undefined ? "" : ` The key is: --idempotency-key ${idempotencyKey}`;
    const toDo = code === "unauthenticated" ? NO_TOKEN : error.action;
    const action = key === "" ? toDo : `${toDo ?? ""}${key}`.trim();
    const told = shell === undefined ? "" : await fieldsText(shell, code, fields);
    const message = told === "" ? (detail ?? title) : `${title} (${told})`;
    return { code, message, moneyAtStake, action, ...(error.status >= 500 && { requestId }) };
  }
  if (error instanceof Unreachable) {
    const key = error.idempotencyKey;
    const again =
      key === undefined
        ? ""
        : ` What was asked may have been taken: ask again with --idempotency-key ${key}.`;
    const action = `Is the node running? \`rivulet start\` runs it, \`rivulet doctor\` looks what is wrong.${again}`;
    return { code: error.code, message: error.message, moneyAtStake: false, action };
  }
  if (error instanceof CliError) {
    const { message, action } = error;
    const code = error.code ?? (exitCode === EXIT.usage ? "usage" : "failed");
    const moneyAtStake = exitCode === EXIT.moneyAtStake || exitCode === EXIT.stoppedByItself;
    return { code, message, moneyAtStake, action };
  }
  if (exitCode === EXIT.interrupted)
    return { code: "interrupted", message: "interrupted", moneyAtStake: false };
  const { code = "failed", message = String(error), moneyAtStake = false, path } = error as Failed;
  const told = path === undefined ? message : (FILE_ERRORS[code]?.(path) ?? message);
  return { code, message: told, moneyAtStake };
}
