import { chainPreset } from "../../chain/presets.ts";
import type { ApiContext, Call, Handlers } from "../handler.ts";
import type { NodeStatus } from "../schema/node.ts";

export const nodeHandlers: Handlers<"status" | "stop"> = {
  status: async (call, api) => statusOf(api, call),
  stop: async (_call, { requestStop }) => {
    requestStop();
    return { stopping: true };
  },
};

type Asking = Pick<Call<"status">, "caller" | "signal">;

async function statusOf(api: ApiContext, call: Asking): Promise<NodeStatus> {
  const { node, version, phase, waitsFor, peers } = api;
  const { overview } = node;
  const [{ phases }, gasWallet, known] = await Promise.all([
    overview.totals(),
    gasOf(api, call),
    peers.list(),
  ]);
  const { block, blockTime, confirmedTime, lagSeconds, fresh, failure, confirmations } = node.chainStatus();
  const preset = chainPreset(overview.chainId);
  const { opening, open, closing, settled } = phases;
  const { frozen } = node.spending;
  const awaited = waitsFor();
  return {
    version,
    state: phase(),
    ...(awaited !== undefined && { waitsFor: awaited }),
    account: node.account,
    signer: node.signer,
    peerId: overview.peerId,
    addresses: [...node.addresses],
    chainId: `${overview.chainId}`,
    ...(preset !== undefined && { chainName: preset.name }),
    nativeSymbol: preset?.nativeSymbol ?? "ETH",
    escrow: overview.escrow as `0x${string}`,
    crypto: overview.crypto,
    chain: {
      block,
      blockTime,
      confirmedTime,
      lagSeconds,
      fresh,
      confirmations,
      ...(failure !== undefined && { failure }),
    },
    gasWallet,
    payouts: node
      .waitingPayouts()
      .slice(0, MAX_PAYOUTS)
      .map(({ token, amount }) => ({ token, amount: `${amount}` })),
    peers: { connected: overview.connectedPeers, known: known.length },
    channels: { total: opening + open + closing + settled, open, opening, closing, settled },
    ...(frozen !== undefined && { frozen: { since: frozen.since, reason: frozen.reason } }),
  };
}

/** Whoever makes a token that refuses its payouts must not fill the status with it. */
const MAX_PAYOUTS = 100;

/** How long the chain's server may keep a status waiting: it is asked most when something is wrong. */
const GAS_PATIENCE_MS = 2_000;

async function gasOf(
  { node, questions }: ApiContext,
  { caller, signal }: Asking,
): Promise<NodeStatus["gasWallet"]> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(GAS_PATIENCE_MS)]);
  try {
    const { balance, needed, enough } = await questions.ask(
      "gasWallet",
      { caller, signal: patience },
      (asked) => node.gasWallet({ signal: asked }),
    );
    return { balance: `${balance}`, needed: `${needed}`, enough };
  } catch {
    // The chain's failure stands beside it. What is not known does not suffice.
    return { balance: "0", needed: "0", enough: false };
  }
}
