import type { Command } from "commander";
import type { Channel } from "../../client/index.ts";
import { allChannels, findChannel, named } from "../channelId.ts";
import { usage } from "../exitCodes.ts";
import { endText, gasText, type OperationOptions, operate, operation, stepText } from "../operation.ts";
import type { Run } from "../run.ts";
import type { Shell } from "../shell.ts";
import { short, timeText } from "../text.ts";
import { parseSpan } from "../when.ts";

/** Channels listed without asking for more: a screen, not a book. */
const SHOWN = 100;

export function registerChannels(program: Command, run: Run): void {
  program
    .command("channels")
    .argument("[channel]", "one channel, by its id or the first digits of it")
    .description("channels and what they hold")
    .option("--peer <signer>", "only with this peer")
    .option("--phase <phase>", "opening, open, closing or settled")
    .option("--all", "all of them, not only the first hundred")
    .addHelpText("after", "\nExamples:\n  $ rivulet channels\n  $ rivulet channels 0x3fa9\n")
    .action(
      run(
        async (
          shell,
          id: string | undefined,
          options: { peer?: string; phase?: Channel["phase"]; all?: boolean },
        ) => {
          if (id !== undefined) {
            const channel = await findChannel(shell, id);
            shell.result(channel, shell.list(await details(shell, channel)));
            return;
          }
          const items: Channel[] = [];
          let more = false;
          const { all = false, ...filter } = options;
          for await (const channel of allChannels(shell, filter)) {
            more = !all && items.length === SHOWN;
            if (more) break;
            items.push(channel);
          }
          const rows = await Promise.all(items.map((channel) => row(shell, channel)));
          const table = shell.table(["channel", "peer", "", "can send", "can receive"], rows);
          const rest = more ? "\nThere are more: --all lists them." : "";
          shell.result(
            { items, more },
            items.length === 0 ? "no channels yet: `rivulet open <peer> <amount>`" : table + rest,
          );
        },
      ),
    );
}

async function row(shell: Shell, channel: Channel): Promise<string[]> {
  const { channelId, peer, phase, connected, sendCapacity, receiveCapacity, token } = channel;
  const tokens = await shell.tokens();
  return [
    short(channelId),
    short(peer),
    phase === "open" && !connected ? "open, away" : phase,
    phase === "settled" ? "" : await tokens.show(sendCapacity, token),
    phase === "settled" ? "" : await tokens.show(receiveCapacity, token),
  ];
}

async function details(shell: Shell, channel: Channel): Promise<[string, string][]> {
  const tokens = await shell.tokens();
  const show = (amount: string) => tokens.show(amount, channel.token);
  const both = async (sides: { ours: string; theirs: string }) =>
    `${await show(sides.ours)} ours, ${await show(sides.theirs)} theirs`;
  return [
    ["channel", channel.channelId],
    ["peer", `${channel.peer}${channel.connected ? ", connected" : ", away"}`],
    ["token", channel.token],
    ["phase", channel.phase],
    ...(channel.phase === "settled"
      ? []
      : [
          ["can send", await show(channel.sendCapacity)] as [string, string],
          ["can receive", await show(channel.receiveCapacity)] as [string, string],
        ]),
    ["sent, received", `${await show(channel.sent)}, ${await show(channel.received)}`],
    ["deposits", await both(channel.deposits)],
    ["withdrawn", await both(channel.withdrawn)],
    ...(channel.closeDeadline === undefined
      ? []
      : [["challenges until", timeText(channel.closeDeadline)] as [string, string]]),
    ...(channel.paidOut === undefined ? [] : [["paid out", await both(channel.paidOut)] as [string, string]]),
  ];
}

interface OpenOptions extends OperationOptions {
  readonly requestDeposit?: string;
  readonly challengePeriod?: string;
}

export function registerOpen(program: Command, run: Run): void {
  operation(program.command("open"))
    .argument("<peer>", "multiaddr that ends in /p2p/<peer id>, or a connected peer's signer")
    .argument("<deposit>", 'for example "25 USDC"')
    .description("open a channel and deposit into it")
    .option("--request-deposit <amount>", "what the peer is asked to deposit")
    .option("--challenge-period <span>", "how long a close can be challenged, for example 1d")
    .addHelpText(
      "after",
      '\nExample:\n  $ rivulet open /ip4/198.51.100.7/tcp/9740/p2p/12D3… "25 USDC" --challenge-period 1d\n',
    )
    .action(
      run(async (shell, peer: string, deposit: string, options: OpenOptions) => {
        const [client, tokens] = [await shell.client(), await shell.tokens()];
        const { amount, unit } = await tokens.parse(deposit);
        const { token } = unit;
        shell.token = token;
        const wanted =
          options.requestDeposit === undefined
            ? 0n
            : (await tokens.parse(options.requestDeposit, token)).amount;
        const body = {
          peer,
          token,
          deposit: amount,
          requestDeposit: wanted,
          ...(options.challengePeriod !== undefined && {
            challengePeriod: parseSpan(options.challengePeriod),
          }),
        };
        const what = `Open a channel with ${peer.startsWith("/") ? peer : short(peer)} and deposit ${await tokens.show(amount, token)}`;
        const done = await operate(
          shell,
          what,
          { kind: "open", token, amount },
          (idempotencyKey) => client.openChannel({ body, idempotencyKey }),
          options,
        );
        shell.result(
          done,
          await endText(
            shell,
            `${done.state === "running" ? "opening" : "open"}: ${done.channelId ?? stepText(done)}`,
            done,
          ),
        );
      }),
    );
}

export function registerMoves(program: Command, run: Run): void {
  for (const kind of ["deposit", "withdraw"] as const) {
    operation(program.command(kind))
      .argument("<channel>", "its id, or the first digits of it")
      .argument("<amount>", 'for example "5 USDC"')
      .description(
        kind === "deposit" ? "add to our deposit" : "withdraw from an open channel, with the peer's consent",
      )
      .addHelpText("after", `\nExample:\n  $ rivulet ${kind} 0x3fa9 "5 USDC"\n`)
      .action(
        run(async (shell, id: string, text: string, options: OperationOptions) => {
          const [client, tokens] = [await shell.client(), await shell.tokens()];
          const channel = await findChannel(shell, id);
          const { channelId, token } = channel;
          shell.token = token;
          const { amount } = await tokens.parse(text, token);
          const verb = kind === "deposit" ? "Deposit" : "Withdraw";
          const done = await operate(
            shell,
            `${verb} ${await tokens.show(amount, token)}: ${named(channel)}`,
            { kind, channelId, amount },
            (idempotencyKey) => client[kind]({ params: { channelId }, body: { amount }, idempotencyKey }),
            options,
          );
          shell.result(done, await endText(shell, stepText(done), done));
        }),
      );
  }
  operation(program.command("close"))
    .argument("<channel>", "its id, or the first digits of it")
    .description("close a channel and be paid out")
    .option("--unilateral", "do not ask the peer: slower and dearer, for one that is gone")
    .addHelpText("after", "\nExamples:\n  $ rivulet close 0x3fa9\n  $ rivulet close 0x3fa9 --unilateral\n")
    .action(
      run(async (shell, id: string, options: OperationOptions & { unilateral?: boolean }) => {
        const client = await shell.client();
        const channel = await findChannel(shell, id);
        const { channelId } = channel;
        shell.token = channel.token;
        if (channel.phase === "settled") throw usage("this channel is settled already");
        const mode = options.unilateral === true ? "unilateral" : "cooperative";
        const done = await operate(
          shell,
          `Close ${named(channel)}`,
          { kind: "close", channelId, mode },
          (idempotencyKey) => client.close({ params: { channelId }, body: { mode }, idempotencyKey }),
          options,
        );
        const after = await client.channel({ params: { channelId } });
        const paid = after.paidOut && (await (await shell.tokens()).show(after.paidOut.ours, after.token));
        shell.result(
          { ...done, channel: after },
          await endText(shell, paid === undefined ? stepText(done) : `settled: ${paid} paid out to us`, done),
        );
      }),
    );
}

export function registerOperations(program: Command, run: Run): void {
  program
    .command("operations")
    .argument("[id]")
    .description("what waits or waited for the chain, newest first")
    .option("--limit <count>", "how many", "20")
    .addHelpText("after", "\nExample:\n  $ rivulet operations\n")
    .action(
      run(async (shell, id: string | undefined, options: { limit: string }) => {
        const client = await shell.client();
        const items =
          id === undefined
            ? (await client.operations({ query: { limit: Number(options.limit) } })).items
            : [await client.operation({ params: { id } })];
        const rows = await Promise.all(
          items.map(async (one) => [
            one.operationId,
            one.kind,
            timeText(one.createdAt),
            one.problem?.title ?? stepText(one),
            await gasText(shell, one),
          ]),
        );
        shell.result(
          id === undefined ? { items } : items[0],
          shell.table(["operation", "kind", "since", "", "paid"], rows),
        );
      }),
    );
}
