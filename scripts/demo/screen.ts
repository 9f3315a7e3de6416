/** Where the demo shows how far it is: one line per step. */
export interface Screen {
  begin(title: string): void;
  /** What the step under way is at. */
  progress(text: string): void;
  /** The step succeeded with this. */
  finish(text: string): void;
  /** The step did not succeed: "failed", "interrupted". */
  fail(how: string): void;
  /** Whatever comes next on the stream is below the steps. */
  end(): void;
}

/** What a screen writes to. */
export interface Output {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const REDRAW_MS = 100;
const SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const DEFAULT_COLUMNS = 100;
const [HIDE_CURSOR, SHOW_CURSOR] = ["\x1b[?25l", "\x1b[?25h"];
const [GREEN, RED, DIM, PLAIN] = ["\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"];

interface Line {
  readonly title: string;
  readonly started: number;
  detail: string;
  readonly state: "running" | "done" | "failed";
}

/** Redraws the step under way in place; finished ones stay above it, so that any height of terminal will do. */
export class LiveScreen implements Screen {
  readonly #out: Output;
  readonly #timer: NodeJS.Timeout;
  #line: Line | undefined;
  #drawn = 0;
  #frame = 0;

  constructor(out: Output) {
    this.#out = out;
    out.write(HIDE_CURSOR);
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS).unref();
  }

  begin(title: string): void {
    this.#line = { title, started: performance.now(), detail: "", state: "running" };
    this.#draw();
  }

  progress(text: string): void {
    if (this.#line !== undefined) this.#line.detail = text;
  }

  finish(text: string): void {
    this.#over("done", text);
  }

  fail(how: string): void {
    const detail = this.#line?.detail ?? "";
    this.#over("failed", detail === "" ? how : `${how}: ${detail}`);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#out.write(SHOW_CURSOR);
  }

  #over(state: "done" | "failed", detail: string): void {
    if (this.#line === undefined) return;
    this.#line = { ...this.#line, state, detail };
    this.#draw();
    this.#line = undefined;
    this.#drawn = 0;
  }

  #draw(): void {
    if (this.#line === undefined) return;
    const spin = SPINNER[this.#frame++ % SPINNER.length]!;
    const width = (this.#out.columns ?? DEFAULT_COLUMNS) - 1;
    const rows = rowsOf(this.#line, spin, width);
    const up = this.#drawn === 0 ? "" : `\x1b[${this.#drawn}A`;
    this.#drawn = rows.length;
    this.#out.write(`${up}\x1b[J${rows.join("\n")}\n`);
  }
}

function rowsOf({ title, detail, state, started }: Line, spin: string, width: number): string[] {
  const mark = { running: spin, done: `${GREEN}✓${PLAIN}`, failed: `${RED}✗${PLAIN}` }[state];
  const head = `${mark} ${title.slice(0, width - 12)} ${DIM}${secondsSince(started)}${PLAIN}`;
  return detail === "" ? [head] : [head, ...wrapped(detail, width - 4).map((row) => `    ${row}`)];
}

/** Breaks text into rows at spaces: a terminal that wraps by itself would be redrawn wrongly. */
function wrapped(text: string, width: number): string[] {
  const rows: string[] = [];
  let row = "";
  for (const word of text.split(" ")) {
    if (row !== "" && row.length + 1 + word.length > width) {
      rows.push(row);
      row = word;
    } else row = row === "" ? word : `${row} ${word}`;
  }
  return [...rows, row].map((line) => line.slice(0, width));
}

const PLAIN_PROGRESS_MS = 2_000;

/** Plain lines, for files and pipes: what a step is at is said only while it takes long. */
export class PlainScreen implements Screen {
  readonly #out: Output;
  readonly #timer: NodeJS.Timeout;
  #step = 0;
  #started = 0;
  #progress = "";

  constructor(out: Output) {
    this.#out = out;
    this.#timer = setInterval(() => this.#say(), PLAIN_PROGRESS_MS).unref();
  }

  begin(title: string): void {
    this.#started = performance.now();
    this.#progress = "";
    this.#out.write(`${++this.#step}. ${title}\n`);
  }

  progress(text: string): void {
    this.#progress = text;
  }

  finish(text: string): void {
    this.#progress = "";
    this.#out.write(`   ${text} (${secondsSince(this.#started)})\n`);
  }

  fail(how: string): void {
    this.#say();
    this.#out.write(`   ${how}\n`);
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #say(): void {
    if (this.#progress !== "") this.#out.write(`   … ${this.#progress}\n`);
    this.#progress = "";
  }
}

function secondsSince(started: number): string {
  return `${((performance.now() - started) / 1_000).toFixed(1)} s`;
}
