import { Eth } from "../../chain/eth.ts";
import { decodeEvent } from "../../chain/event.ts";
import { LogRange } from "../../chain/logRange.ts";
import { Rpc } from "../../chain/rpc.ts";
import type { Address } from "../../protocol/index.ts";
import type { AskChain, ChainEvidence } from "./verify.ts";

export interface ChainEvidenceInit {
  readonly rpcUrl: string;
  readonly chainId: bigint;
  readonly escrow: Address;
  /** The block the escrow was deployed in. */
  readonly escrowBlock?: number;
  readonly signal: AbortSignal;
}

interface Shown {
  readonly deposits: bigint[];
  readonly withdrawals: bigint[];
}

/**
 * Reads the escrow's whole history once and answers from it. Rejects with `wrong_chain`, `contract_missing` or what the
 * server fails with. A statement of another chain or escrow is answered with nothing, which fails its check.
 */
export async function askChain(init: ChainEvidenceInit): Promise<AskChain> {
  const { rpcUrl, chainId, escrow, signal } = init;
  const eth = new Eth(new Rpc({ url: rpcUrl }));
  await eth.checkChain(chainId, escrow, { signal });
  const sides = new Map<string, Shown>();
  const settlements = new Map<string, readonly [bigint, bigint]>();
  const of = (channelId: string, participant: string): Shown => {
    const key = `${channelId}/${participant}`;
    const shown = sides.get(key) ?? { deposits: [0n], withdrawals: [0n] };
    sides.set(key, shown);
    return shown;
  };
  const range = new LogRange(eth, escrow);
  const { number: head } = await eth.newestHeader({ signal });
  for (let next = init.escrowBlock ?? 0; next <= head; ) {
    const { logs, to } = await range.read(next, head, { signal });
    for (const log of logs) {
      const event = decodeEvent(log);
      if (event?.kind === "deposited")
        of(event.channelId, event.participant).deposits.push(event.totalDeposit);
      if (event?.kind === "withdrawn")
        of(event.channelId, event.participant).withdrawals.push(event.totalWithdrawn);
      if (event?.kind === "settled") settlements.set(event.channelId, [event.share0, event.share1]);
    }
    next = to + 1;
  }
  return async (node, channelId, participant, side): Promise<ChainEvidence> => {
    const known = BigInt(node.chainId) === chainId && node.escrow === escrow;
    const shown = known ? of(channelId, participant) : { deposits: [], withdrawals: [] };
    return { ...shown, settled: known ? settlements.get(channelId)?.[side] : undefined };
  };
}
