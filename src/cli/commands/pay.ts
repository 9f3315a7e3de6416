import type { Command } from "commander";
import { renderUnicodeCompact } from "uqr";
import type { Payment, PaymentRequest } from "../../client/index.ts";
import { findChannel } from "../channelId.ts";
import { usage } from "../exitCodes.ts";
import { findPayee } from "../payee.ts";
import type { Run } from "../run.ts";
import { isInteractive, type Shell } from "../shell.ts";
import { safe, short, timeText } from "../text.ts";
import { parseSpan, parseTime } from "../when.ts";

interface PayOptions {
  readonly label?: string;
  readonly idempotencyKey?: string;
}

const EXAMPLE = `
Examples:
  $ rivulet pay rvt1…                          # a request, for its amount
  $ rivulet pay 0x5b3c…e1 "0.25 USDC"          # a peer, by its signer, whole or as tables shorten it
  $ rivulet pay 0x3fa9 "0.25 USDC" --label coffee    # over one channel
`;

export function registerPay(program: Command, run: Run): void {
  program
    .command("pay")
    .argument("<to>", "a request, a peer's signer, or a channel")
    .argument("[amount]", 'for example "0.25 USDC"; for requests only where they leave it open')
    .description("pay; ends when the payee holds the payment durably")
    .option("--label <text>", "what you call this payment")
    .option("--idempotency-key <key>", "the same key again is the same payment")
    .addHelpText("after", EXAMPLE)
    .action(
      run(async (shell, to: string, amount: string | undefined, options: PayOptions) => {
        const client = await shell.client();
        const body = /^(rivulet:)?rvt1/i.test(to)
          ? await ofRequest(shell, to, amount)
          : await ofAmount(shell, to, amount);
        const label = options.label === undefined ? {} : { label: options.label };
        const idempotencyKey = options.idempotencyKey ?? crypto.randomUUID();
        const receipt = await client.pay({ body: { ...body, ...label }, idempotencyKey });
        const shown = await (await shell.tokens()).show(receipt.amount, receipt.token);
        const what = `${shown} to ${short(receipt.peer)} (payment ${receipt.paymentId})`;
        const text = receipt.alreadyPaid ? `was already paid, nothing more was: ${what}` : `paid ${what}`;
        shell.result(receipt, text);
      }),
    );
}

async function ofRequest(shell: Shell, request: string, text: string | undefined) {
  const [client, tokens] = [await shell.client(), await shell.tokens()];
  const asked = await client.decodeRequest({ body: { request } });
  shell.token = asked.token;
  const amount = text === undefined ? undefined : (await tokens.parse(text, asked.token)).amount;
  const due = asked.amount ?? amount;
  if (due === undefined)
    throw usage("this request leaves the amount open", 'Give one, for example "5 USDC".');
  const what = `Pay ${await tokens.show(due, asked.token)} to ${asked.recipient}`;
  const why = asked.description === "" ? "" : ` for "${safe(asked.description)}"`;
  if (!shell.json)
    shell.note(`${what}${why}; asked ${timeText(asked.createdAt)}, good until ${timeText(asked.expiresAt)}`);
  if (isInteractive()) await shell.confirm(`${what}?`);
  return { request, ...(amount !== undefined && { amount }) };
}

async function ofAmount(shell: Shell, to: string, text: string | undefined) {
  if (text === undefined) throw usage("how much?", 'For example: rivulet pay … "0.25 USDC"');
  const tokens = await shell.tokens();
  const payee = await findPayee(shell, to);
  if ("peer" in payee) {
    const { amount, unit } = await tokens.parse(text);
    shell.token = unit.token;
    return { peer: payee.peer, token: unit.token, amount };
  }
  const { channelId, token } = payee.channel;
  shell.token = token;
  return { channelId, amount: (await tokens.parse(text, token)).amount };
}

interface RequestOptions {
  readonly in?: string;
  readonly description?: string;
  readonly expires?: string;
  readonly label?: string;
  readonly wait?: boolean;
}

export function registerRequest(program: Command, run: Run): void {
  const request = program
    .command("request")
    .argument("[amount]", 'for example "0.25 USDC"; without one the payer chooses')
    .description("make a payment request: a string, a link and a QR code")
    .option("--in <token>", "the token, where the payer chooses the amount")
    .option("--description <text>", "what it is for; the payer sees it")
    .option("--expires <span>", "how long it can be paid", "1h")
    .option("--label <text>", "what you call it")
    .option("--wait", "wait until it is paid")
    .addHelpText(
      "after",
      '\nExamples:\n  $ rivulet request "0.25 USDC" --description "Two coffees" --expires 15min --wait\n' +
        "  $ rivulet request cancel rvt1…\n",
    )
    .action(
      run(async (shell, text: string | undefined, options: RequestOptions) => {
        const [client, tokens] = [await shell.client(), await shell.tokens()];
        const asked = text === undefined ? undefined : await tokens.parse(text);
        if (asked === undefined && options.in === undefined)
          throw usage("in which token?", "Give --in USDC.");
        const { token } = asked?.unit ?? (await tokens.find(options.in!));
        const made = await client.makeRequest({
          body: {
            token,
            ...(asked !== undefined && { amount: asked.amount }),
            description: options.description ?? "",
            expiresIn: parseSpan(options.expires ?? "1h"),
            ...(options.label !== undefined && { label: options.label }),
          },
        });
        // Upper case is what a QR code packs into half the room: its alphanumeric mode has no lower case.
        if (!shell.json && process.stdout.isTTY) shell.note(renderUnicodeCompact(made.uri.toUpperCase()));
        if (options.wait !== true) return shell.result(made, `${made.request}\n\n${made.uri}`);
        if (!shell.json) process.stdout.write(`${made.request}\n`);
        const paid = await untilPaid(shell, made);
        shell.result(
          paid,
          paid.paid === undefined ? paid.state : `paid: ${await tokens.show(paid.paid.amount, token)}`,
        );
      }),
    );
  request
    .command("cancel")
    .argument("<request>", "the request, or its payment hash")
    .description("cancel a request: what pays it from then on is given back")
    .action(run(cancel));
}

async function cancel(shell: Shell, request: string): Promise<void> {
  const client = await shell.client();
  const { paymentHash } = request.startsWith("0x")
    ? { paymentHash: request }
    : await client.decodeRequest({ body: { request } });
  const cancelled = await client.cancelRequest({ params: { paymentHash } });
  shell.result(cancelled, `${cancelled.state}; what pays it from now on is given back`);
}

/** How often it is looked whether a request has expired. */
const LOOK_MS = 500;

async function untilPaid(shell: Shell, { paymentHash, expiresAt }: PaymentRequest): Promise<PaymentRequest> {
  const client = await shell.client();
  const waiting = shell.wait("waiting for the payment …");
  const expired = new AbortController();
  // No timer can be set for a month.
  const timer = setInterval(() => {
    if (Date.now() >= expiresAt * 1000) expired.abort();
  }, LOOK_MS);
  const signal = AbortSignal.any([shell.signal, expired.signal]);
  try {
    for await (const event of client.events({ after: "0", types: ["request"], signal })) {
      if (event.type === "request" && event.request.paymentHash === paymentHash) break;
    }
  } catch (error) {
    if (shell.signal.aborted || !signal.aborted) throw error;
  } finally {
    clearInterval(timer);
    waiting.stop();
  }
  return client.request({ params: { paymentHash } });
}

interface PaymentsOptions {
  readonly direction?: Payment["direction"];
  readonly channel?: string;
  readonly peer?: string;
  readonly label?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
}

export function registerPayments(program: Command, run: Run): void {
  program
    .command("payments")
    .description("payments both ways, newest first")
    .option("--direction <direction>", "sent or received")
    .option("--channel <channel>", "over this channel")
    .option("--peer <signer>", "with this peer")
    .option("--label <text>", "with this label")
    .option("--from <date>", "from then on")
    .option("--to <date>", "before then")
    .option("--limit <count>", "how many", "20")
    .addHelpText(
      "after",
      "\nExample:\n  $ rivulet payments --direction received --from 2026-03-01 --limit 100\n",
    )
    .action(
      run(async (shell, options: PaymentsOptions) => {
        const [client, tokens] = [await shell.client(), await shell.tokens()];
        const { direction, peer, label, from, to } = options;
        const query = {
          ...(direction !== undefined && { direction }),
          ...(peer !== undefined && { peer }),
          ...(label !== undefined && { label }),
          ...(from !== undefined && { from: parseTime(from) }),
          ...(to !== undefined && { to: parseTime(to) }),
          ...(options.channel !== undefined && {
            channelId: (await findChannel(shell, options.channel)).channelId,
          }),
        };
        const items: Payment[] = [];
        const wanted = Number(options.limit);
        let cursor: string | undefined;
        do {
          const limit = Math.min(1000, wanted - items.length);
          const page = await client.payments({ query: { ...query, limit, ...(cursor && { cursor }) } });
          items.push(...page.items);
          cursor = page.next;
        } while (cursor !== undefined && items.length < wanted);
        const rows: string[][] = [];
        for (const one of items) {
          const sign = one.direction === "sent" ? "-" : "+";
          const state = one.refund ? "refund" : one.final ? "" : "on its way";
          const amount = `${sign}${await tokens.show(one.amount, one.token)}`;
          rows.push([timeText(one.time), amount, short(one.peer), one.label ?? "", state]);
        }
        shell.result(
          { items },
          rows.length === 0 ? "no payments" : shell.table(["time", "amount", "peer", "label", ""], rows),
        );
      }),
    );
}
