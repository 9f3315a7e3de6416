import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { CallOf, Operation, Quote } from "../client/index.ts";
import { ApiProblem } from "../client/problem.ts";
import { ZERO_ADDRESS } from "../protocol/index.ts";
import { formatUnits } from "./amounts.ts";
import { CliError, EXIT } from "./exitCodes.ts";
import type { Shell } from "./shell.ts";
import { safe, short, spanText } from "./text.ts";

/** How often it is looked how far an operation is. */
const LOOK_MS = 500;

export interface OperationOptions {
  readonly idempotencyKey?: string;
  /** False: do not wait for the end. */
  readonly wait?: boolean;
}

/** Options of everything that sends transactions. */
export function operation(command: Command): Command {
  return command
    .option("--idempotency-key <key>", "the same key again is the same call")
    .option("--no-wait", "return at once; `rivulet operations` shows how far it is");
}

/** What waits mean, in words. */
const STEPS: Readonly<Record<string, string>> = {
  proposed: "waiting for the peer's answer",
  accepted: "the peer has agreed",
  approve: "approving the token",
  deposit: "depositing",
  crediting: "waiting until the peer counts the deposit",
  open: "open",
  signing: "waiting for the peer's signature",
  withdraw: "withdrawing",
  queued: "waiting for what was sent before",
  send: "sending",
  withdrawPayout: "fetching from the escrow",
  agreed: "both have signed",
  closing: "closing",
  challengePeriod: "waiting for the challenge period to end",
  settling: "settling",
  settled: "settled",
};

/** Shows what an operation would cost, asks, sends it and follows it to its end. */
export async function operate(
  shell: Shell,
  what: string,
  order: CallOf<"quote">["body"],
  send: (idempotencyKey: string) => Promise<Operation>,
  options: OperationOptions,
): Promise<Operation> {
  const client = await shell.client();
  const quote = await quoteFor(shell, order, options);
  const { nativeSymbol, account } = await client.status();
  if (!shell.json && quote !== undefined) shell.note(`${what}\n${costText(quote, nativeSymbol)}`);
  if (quote?.affordable === false) {
    const lacking = await lackingText(shell, quote, nativeSymbol);
    throw new CliError(`the node's account lacks ${lacking}`, { action: `Send it to ${account}.` });
  }
  await shell.confirm(`${what}?`);
  const key = options.idempotencyKey ?? crypto.randomUUID();
  const operation = await send(key);
  return options.wait === false ? operation : follow(shell, operation, key);
}

/**
 * What it would cost. Undefined where that cannot be said and a key was given: what the key stands for may be done, and
 * the money gone for it.
 */
export async function quoteFor(
  shell: Shell,
  order: CallOf<"quote">["body"],
  { idempotencyKey }: OperationOptions,
): Promise<Quote | undefined> {
  try {
    const quote = await (await shell.client()).quote({ body: order });
    return quote.affordable || idempotencyKey === undefined ? quote : undefined;
  } catch (error) {
    if (idempotencyKey === undefined || !(error instanceof ApiProblem)) throw error;
    return undefined;
  }
}

function costText({ transactions, gas, gasPrice, cost }: Quote, symbol: string): string {
  const names = transactions.map(({ name }) => name).join(", ");
  return `gas ${gas} (${names}) at ${formatUnits(gasPrice, 9)} gwei: about ${formatUnits(cost, 18)} ${symbol}`;
}

/** What is missing beside what the account has: the native coin, the token, or both. */
async function lackingText(shell: Shell, { missing, token }: Quote, symbol: string): Promise<string> {
  const lacking: string[] = [];
  if (missing.native !== "0") lacking.push(`${formatUnits(missing.native, 18)} ${symbol}`);
  if (missing.token !== "0") lacking.push(await (await shell.tokens()).show(missing.token, token));
  return lacking.join(" and ");
}

async function follow(shell: Shell, started: Operation, key: string): Promise<Operation> {
  const client = await shell.client();
  const waiting = shell.wait(stepText(started));
  const params = { id: started.operationId };
  let operation = started;
  try {
    while (operation.state === "running") {
      await sleep(LOOK_MS, undefined, { signal: shell.signal });
      operation = await client.operation({ params, signal: shell.signal });
      // How it ended is the result.
      if (operation.state === "running") waiting.say(stepText(operation));
    }
  } catch (error) {
    waiting.stop();
    if (shell.signal.aborted) {
      throw new CliError("no longer waiting; the node goes on", {
        exitCode: EXIT.interrupted,
        action: `\`rivulet operations ${operation.operationId}\` shows how far it is.`,
      });
    }
    throw error;
  }
  waiting.stop();
  if (operation.state === "succeeded") return operation;
  if (operation.problem !== undefined) throw new ApiProblem(operation.problem);
  throw new CliError(`the ${operation.kind} was interrupted`, {
    action: `Take it up again with --idempotency-key ${key}.`,
  });
}

/** What an operation cost us, as far as its transactions are confirmed; empty where there is nothing of ours. */
export async function gasText(shell: Shell, { gasUsed, gasCost }: Operation): Promise<string> {
  if (gasUsed === undefined || gasCost === undefined) return "";
  return `gas ${gasUsed}: ${await (await shell.tokens()).show(gasCost, ZERO_ADDRESS)}`;
}

/** The last line of an operation, with what it cost. */
export async function endText(shell: Shell, text: string, operation: Operation): Promise<string> {
  return [text, await gasText(shell, operation)].filter((part) => part !== "").join("; ");
}

/** How far an operation is, in one line. */
export function stepText({ kind, state, progress }: Operation): string {
  if (progress === undefined) return `${kind}: ${state}`;
  const { step, transaction, confirmations, confirmationsNeeded, waiting, until } = progress;
  const parts = [STEPS[step] ?? step];
  if (transaction !== undefined) parts.push(`transaction ${short(transaction)}`);
  if (confirmations !== undefined) parts.push(`${confirmations} of ${confirmationsNeeded} confirmations`);
  if (waiting !== undefined) parts.push(`waiting: ${safe(waiting.replaceAll("_", " "))}`);
  if (until !== undefined && until > Date.now() / 1000)
    parts.push(`${spanText(until - Date.now() / 1000)} left`);
  return parts.join(", ");
}
