import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { styleText } from "node:util";
import { confirm, password } from "@inquirer/prompts";
import Table from "cli-table3";
import ora from "ora";
import { isLoopback } from "../api/guard.ts";
import { RivuletClient } from "../client/client.ts";
import { bigintsAsText } from "../client/json.ts";
import { Tokens } from "./amounts.ts";
import type { Configuration } from "./config/load.ts";
import type { Settings } from "./config/settings.ts";
import { runningUrl } from "./daemonFile.ts";
import { CliError, EXIT, usage } from "./exitCodes.ts";
import { passwordIn } from "./files.ts";
import type { Secrets } from "./secrets.ts";
import { safe } from "./text.ts";

const PASSWORD_ELSEWHERE = "Set RIVULET_PASSWORD, or the setting password_file.";

/** Options every command takes. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly url?: string;
  readonly token?: string;
}

/** Something that takes time, while it is shown. */
export interface Waiting {
  say(text: string): void;
  done(text: string): void;
  stop(): void;
}

interface ShellInit {
  readonly options: GlobalOptions;
  readonly configuration: Configuration;
  readonly signal: AbortSignal;
  readonly secrets: Secrets;
}

/** Where a command writes and what it asks: results to stdout, everything for people's eyes to stderr. */
export class Shell {
  readonly options: GlobalOptions;
  readonly configuration: Configuration;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** What the environment had of passwords. */
  readonly secrets: Secrets;
  /** The token that the command's amounts are in, as soon as that is known: a refusal's amounts are told in it. */
  token: string | undefined;
  #client: Promise<RivuletClient> | undefined;
  #tokens: Promise<Tokens> | undefined;

  constructor({ options, configuration, signal, secrets }: ShellInit) {
    this.options = options;
    this.configuration = configuration;
    this.signal = signal;
    this.secrets = secrets;
  }

  get settings(): Settings {
    return this.configuration.settings;
  }

  get json(): boolean {
    return this.options.json === true;
  }

  /** A result: JSON for programs with `--json`, else the text for people. */
  result(value: unknown, text: string): void {
    if (this.json) process.stdout.write(`${JSON.stringify(value, bigintsAsText, 2)}\n`);
    else if (text !== "") process.stdout.write(`${text}\n`);
  }

  /** One of many results as it comes: a line of JSON, or of text. */
  line(value: unknown, text: string): void {
    process.stdout.write(`${this.json ? JSON.stringify(value, bigintsAsText) : text}\n`);
  }

  /** For people only. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  table(head: readonly string[], rows: readonly (readonly string[])[]): string {
    const cells = rows.map((row) => row.map(safe));
    const padded = head.map((name, column) => {
      const width = cells.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), name.length);
      return this.bold(name) + " ".repeat(width - name.length);
    });
    const parts = [tableText(padded, cells.slice(0, TABLE_ROWS))];
    for (let at = TABLE_ROWS; at < cells.length; at += TABLE_ROWS) {
      const part = tableText(padded, cells.slice(at, at + TABLE_ROWS));
      parts.push(part.slice(part.indexOf("\n") + 1));
    }
    return parts.join("\n").replace(/[ ]+$/gm, "");
  }

  /** Pairs under each other. */
  list(pairs: readonly (readonly [string, string])[]): string {
    const width = Math.max(...pairs.map(([name]) => name.length));
    return pairs.map(([name, value]) => `${this.dim(name.padEnd(width))}  ${safe(value)}`).join("\n");
  }

  bold(text: string): string {
    return styleText("bold", text, { stream: process.stdout });
  }

  dim(text: string): string {
    return styleText("dim", text, { stream: process.stdout });
  }

  /** Shows that something is waited for: a spinner on a terminal, lines elsewhere, nothing with `--json`. */
  wait(text: string): Waiting {
    if (this.json) return { say() {}, done() {}, stop() {} };
    if (!process.stderr.isTTY) {
      let last = "";
      const say = (line: string) => {
        if (line !== last) this.note(line);
        last = line;
      };
      say(text);
      return { say, done: say, stop() {} };
    }
    const spinner = ora({ text, stream: process.stderr, discardStdin: false }).start();
    return {
      say: (line) => {
        spinner.text = line;
      },
      done: (line) => void spinner.succeed(line),
      stop: () => void spinner.stop(),
    };
  }

  /** Asks yes or no on a terminal. Without one `--yes` must have been given: a script is never asked. */
  async confirm(question: string): Promise<void> {
    if (this.options.yes === true) return;
    if (!isInteractive()) throw usage(`${question} Nobody can answer here`, "Add --yes to agree beforehand.");
    const agreed = await confirm(
      { message: question, default: false },
      { output: process.stderr, signal: this.signal },
    );
    if (!agreed) throw new CliError("Not done.", { exitCode: EXIT.failed });
  }

  /** The keystore's password: environment, file, or a prompt on a terminal. `again` asks twice, for a new one. */
  async password(message: string, { again = false } = {}): Promise<string> {
    const { password: given } = this.secrets;
    if (given !== undefined) return given;
    const file = this.settings.passwordFile;
    if (file !== undefined) return passwordIn(file);
    if (!isInteractive()) {
      throw usage("a password is needed and nobody can type it here", PASSWORD_ELSEWHERE);
    }
    return again ? this.newPassword(message, PASSWORD_ELSEWHERE) : this.#typed(message);
  }

  /** Whether the keystore's password is given, so that nobody has to type it. */
  get hasPassword(): boolean {
    return this.passwordFrom !== undefined;
  }

  /** What gives the keystore's password; undefined where somebody types it. */
  get passwordFrom(): "RIVULET_PASSWORD" | "password_file" | undefined {
    if (this.secrets.password !== undefined) return "RIVULET_PASSWORD";
    return this.settings.passwordFile === undefined ? undefined : "password_file";
  }

  /** A password of at least `least` characters that is typed twice, on a terminal. `elsewhere`: how scripts give it. */
  async newPassword(message: string, elsewhere: string, least = 1): Promise<string> {
    if (!isInteractive()) throw usage("a new password is needed and nobody can type it here", elsewhere);
    const isLong = (typed: string) => typed.length >= least || `It needs ${least} or more characters.`;
    for (;;) {
      const first = await this.#typed(message, isLong);
      if ((await this.#typed("Once more")) === first) return first;
      this.note("The two differ. Again:");
    }
  }

  /** A mnemonic, typed unseen or from stdin: as an argument every user of the machine could read it. */
  async words(message: string): Promise<string> {
    if (isInteractive()) return this.#typed(message);
    let text = "";
    for await (const piece of process.stdin) {
      text += piece;
      if (text.length > MOST_WORDS_CHARS) throw usage("there is more on stdin than a mnemonic");
    }
    if (text.trim() === "")
      throw usage("the words are needed and nobody can type them here", "Give them on stdin.");
    return text;
  }

  #typed(message: string, validate: (typed: string) => true | string = () => true): Promise<string> {
    return password({ message, mask: true, validate }, { output: process.stderr, signal: this.signal });
  }

  /** The API of the node that runs over this data directory, or that `--url` names. */
  client(): Promise<RivuletClient> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  /** One for all who ask: each token is looked up once. */
  tokens(): Promise<Tokens> {
    this.#tokens ??= this.client().then((client) => new Tokens(client));
    return this.#tokens;
  }

  /**
   * The keystore's password, for the node that will be called. It goes to the node that runs over this data directory,
   * or to an address that was named, where nobody in between can read it; never to whoever happens to listen.
   */
  async passwordForNode(): Promise<string> {
    const message = "Password of the keystore";
    const named = this.#namedUrl;
    if (named === undefined) {
      if ((await runningUrl(this.settings.dataDir)) !== undefined) return this.password(message);
      throw new CliError(`no node runs over ${this.settings.dataDir}`, {
        exitCode: EXIT.unreachable,
        action: "`rivulet start` runs it; --url names another.",
      });
    }
    const { protocol, hostname } = new URL(named);
    if (protocol !== "https:" && !isLoopback(hostname))
      throw usage("the keystore's password would travel in the clear", "Name the node by an https URL.");
    // The file of this machine's settings is this node's.
    const { password: given } = this.secrets;
    if (given !== undefined) return given;
    if (!isInteractive())
      throw usage("that node's password is needed and nobody can type it here", "Set RIVULET_PASSWORD.");
    return this.#typed(message);
  }

  get #namedUrl(): string | undefined {
    return this.options.url ?? process.env.RIVULET_URL;
  }

  async #connect(): Promise<RivuletClient> {
    const { dataDir, api } = this.settings;
    const named = this.#namedUrl;
    const url = named ?? (await runningUrl(dataDir));
    const given = this.options.token ?? process.env.RIVULET_TOKEN;
    // The owner's token goes to the node that runs over its directory and to no address that somebody named or took.
    const token = given ?? (named === undefined && url !== undefined ? await adminToken(dataDir) : undefined);
    const scheme = api.tlsCert === undefined ? "http" : "https";
    return new RivuletClient({ url: url ?? `${scheme}://${api.host}:${api.port}`, token });
  }
}

async function adminToken(dataDir: string): Promise<string | undefined> {
  try {
    return (await readFile(join(dataDir, "admin.token"), "utf8")).trim();
  } catch {
    return undefined;
  }
}

/** Rows laid out at once: the layout's time grows with their square. */
const TABLE_ROWS = 100;

function tableText(head: readonly string[], rows: readonly string[][]): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    chars: NO_LINES,
  });
  table.push(...rows);
  return table.toString();
}

export function isInteractive(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Far more than 24 words have. */
const MOST_WORDS_CHARS = 1_000;

const NO_LINES = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
} as const;
