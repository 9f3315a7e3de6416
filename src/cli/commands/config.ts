import type { Command } from "commander";
import { ofChain } from "../config/nodeOptions.ts";
import type { Run } from "../run.ts";

const EXAMPLE = `
Examples:
  $ rivulet config
  $ rivulet config --json | jq '.settings[] | select(.source | startswith("default") | not)'
`;

export function registerConfig(program: Command, run: Run): void {
  program
    .command("config")
    .description("show every setting, its value and where it came from")
    .addHelpText("after", EXAMPLE)
    .action(
      run(async (shell) => {
        const { resolved, file, fileExists } = shell.configuration;
        const computed = ofChain(shell.settings);
        const shown = resolved.map(({ name, setting, value, source, place }) => {
          const own = value === undefined ? computed[name] : undefined;
          return {
            key: setting.key,
            value: setting.secret === true ? redacted(value) : (value ?? own ?? null),
            source: own === undefined ? source : "default (chain)",
            place: place ?? null,
            help: setting.help,
          };
        });
        const rows = shown.map(({ key, value, source, place }) => [
          key,
          value === null ? "" : Array.isArray(value) ? value.join(", ") : String(value),
          source === "file" || place === null ? source : place,
        ]);
        const found = fileExists ? file : `${file} (not there)`;
        shell.result(
          { file, fileExists, settings: shown },
          `${shell.table(["setting", "value", "from"], rows)}\n\nfile: ${found}`,
        );
      }),
    );
}

/** A URL may hold a key anywhere behind its host. */
function redacted(value: unknown): unknown {
  if (!Array.isArray(value)) return value === undefined ? null : "(set)";
  return value.map((url) => {
    try {
      const { protocol, host } = new URL(String(url));
      return `${protocol}//${host}/…`;
    } catch {
      return "(set)";
    }
  });
}
