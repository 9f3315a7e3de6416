import type { Cost, Prices } from "./cost.ts";
import { amount, decimal, dollars, grouped, padded } from "./format.ts";
import type { DemoResult } from "./run.ts";
import type { Verdict } from "./verdict.ts";

/** The end of the screen: expected beside chain, what it cost, and what came of it. */
export function reportText(result: DemoResult, prices: Prices): string {
  const { verdict, payments, seconds, directory } = result;
  const lines = ["", ...balanceTable(verdict), "", ...costTable(result.costs, prices), ""];
  for (const problem of verdict.problems) lines.push(`✗ ${problem}`);
  const summary = `${grouped(payments)} payments in ${Math.round(seconds)} s`;
  lines.push(
    verdict.ok
      ? `✓ ${summary}: every balance on chain is what the applications sent and received`
      : `✗ ${summary}: the chain and the applications do not agree`,
  );
  if (directory !== undefined) lines.push(`  the nodes' files are in ${directory}`);
  return `${lines.join("\n")}\n`;
}

function balanceTable({ checks }: Verdict): string[] {
  const rows = checks.map(({ what, asset, expected, chain, ok }) => [
    `${what} (${asset})`,
    amount(expected, asset),
    chain === undefined ? "nothing" : amount(chain, asset),
    ok ? "✓" : "✗",
  ]);
  return table([["", "expected by the applications", "on chain", ""], ...rows]);
}

function costTable(costs: readonly Cost[], { gasPrice, etherPrice }: Prices): string[] {
  const row = (title: string, cell: (cost: Cost) => string) => [title, ...costs.map(cell)];
  const range = ([least, most]: readonly [bigint, bigint]) => `${dollars(least)} to ${dollars(most)}`;
  const rows = [
    row("cost per payment", ({ asset }) => `${asset} channel`),
    row("payments", ({ payments }) => grouped(payments)),
    row("gas from open to settled", ({ gas }) => grouped(gas)),
    row("gas per payment", ({ gasPerPayment }) => decimal(gasPerPayment, 3)),
    row("average payment", ({ averagePayment }) => dollars(averagePayment)),
    row("that gas costs, per payment", ({ perPayment }) => dollars(perPayment)),
    row("as a share of the payment", ({ share }) => `${decimal(share, 3)} %`),
    row("a fee of 0.1–0.5 % would be", ({ lowFee }) => range(lowFee)),
    row("a fee of 1–3 % would be", ({ highFee }) => range(highFee)),
  ];
  const assumed = `assumed: gas at ${decimal(gasPrice, 9)} gwei, ETH at $${decimal(etherPrice, 6)}, RTT at $1`;
  return [...table(rows), `(${assumed}; --gas-price and --eth-price change it)`];
}

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) =>
    cells
      .map((cell, column) => padded(cell, widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

/** The same for machines: amounts as decimal strings of base units, durations as their names say. */
export function reportJson(result: DemoResult, prices: Prices): string {
  const { verdict, warnings, directory, ...rest } = result;
  const document = { ...verdict, ...rest, prices, warnings, directory };
  return `${JSON.stringify(document, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))}\n`;
}
