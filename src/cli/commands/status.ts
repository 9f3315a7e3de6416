import type { Command } from "commander";
import type { NodeStatus } from "../../client/index.ts";
import { formatUnits } from "../amounts.ts";
import type { Run } from "../run.ts";
import type { Shell } from "../shell.ts";
import { short, spanText, timeText } from "../text.ts";

export function registerStatus(program: Command, run: Run): void {
  program
    .command("status")
    .description("what this node is, and how it and its chain are")
    .addHelpText("after", "\nExample:\n  $ rivulet status --json | jq .chain\n")
    .action(
      run(async (shell) => {
        const status = await (await shell.client()).status();
        const { chain, channels, peers, gasWallet, frozen } = status;
        const payouts = await payoutTexts(shell, status);
        const age =
          chain.block < 0 ? "no block yet" : `block ${chain.block}, ${spanText(chain.lagSeconds)} old`;
        const state = status.waitsFor === undefined ? status.state : `starting, waits for ${status.waitsFor}`;
        shell.result(
          status,
          shell.list([
            ["state", `${state}, version ${status.version}`],
            ["account", status.account],
            ["signer", status.signer],
            [
              "chain",
              `${status.chainName ?? "chain"} (${status.chainId}), ${age}${chain.fresh ? "" : ", STALE: nothing is paid"}`,
            ],
            ["escrow", status.escrow],
            ["gas wallet", isUnknown(gasWallet) ? "unknown: the chain does not answer" : gasText(status)],
            ...payouts.map((text, at) => [at === 0 ? "payouts" : "", text] as const),
            ["peers", `${peers.connected} connected, ${peers.known} known`],
            [
              "channels",
              `${channels.open} open, ${channels.opening} opening, ${channels.closing} closing, ${channels.settled} settled`,
            ],
            ...(frozen === undefined
              ? []
              : [["spending", `FROZEN since ${timeText(frozen.since)}: ${frozen.reason}`] as const]),
            ...status.addresses.map((address, at) => [at === 0 ? "addresses" : "", address] as const),
          ]),
        );
      }),
    );
  program
    .command("stop")
    .description("stop the running node; nothing is cut off in the middle")
    .addHelpText("after", "\nExample:\n  $ rivulet stop\n")
    .action(run(async (shell) => shell.result(await (await shell.client()).stop(), "stopping")));
}

/** What waits at the escrow, token by token. */
async function payoutTexts(shell: Shell, { payouts }: NodeStatus): Promise<string[]> {
  if (payouts.length === 0) return [];
  const tokens = await shell.tokens();
  const shown = payouts.map(async ({ token, amount }) => {
    return `REFUSED: the escrow keeps ${await tokens.show(amount, token)}; see \`rivulet withdraw-payout\``;
  });
  return Promise.all(shown);
}

/** What the chain did not tell is all zeros: a transaction's gas is never free. */
export function isUnknown({ balance, needed }: NodeStatus["gasWallet"]): boolean {
  return balance === "0" && needed === "0";
}

function gasText({ gasWallet, nativeSymbol }: NodeStatus): string {
  const gas = `${formatUnits(gasWallet.balance, 18)} ${nativeSymbol}`;
  return gasWallet.enough ? gas : `${gas}, NOT ENOUGH to answer disputes`;
}

export function registerPeers(program: Command, run: Run): void {
  const peers = program
    .command("peers")
    .description("peers with channels, connections or kept addresses")
    .addHelpText(
      "after",
      "\nExamples:\n  $ rivulet peers\n  $ rivulet peers connect /ip4/198.51.100.7/tcp/9740/p2p/12D3…\n",
    )
    .action(
      run(async (shell) => {
        const { items } = await (await shell.client()).peers();
        const rows = items.map(({ signer, connected, channels, kept, lastError }) => [
          signer,
          connected ? "connected" : "away",
          `${channels}`,
          kept ? "yes" : "",
          lastError ?? "",
        ]);
        const text =
          rows.length === 0
            ? "no peers yet: `rivulet peers connect <address>`"
            : shell.table(["signer", "", "channels", "kept", "last error"], rows);
        shell.result({ items }, text);
      }),
    );
  peers
    .command("connect")
    .argument("<address>", "multiaddr that ends in /p2p/<peer id>")
    .description("connect, and stay connected over restarts")
    .action(
      run(async (shell, address: string) => {
        const peer = await (await shell.client()).connect({ body: { address } });
        shell.result(peer, `connected to ${peer.signer}`);
      }),
    );
  peers
    .command("disconnect")
    .argument("<signer>")
    .description("forget its addresses and let it go")
    .action(
      run(async (shell, signer: string) => {
        await (await shell.client()).disconnect({ params: { signer } });
        shell.result({ signer }, `let go of ${short(signer)}`);
      }),
    );
}
