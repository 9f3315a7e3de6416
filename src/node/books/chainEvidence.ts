import { ChainError } from "../../chain/error.ts";
import { Eth } from "../../chain/eth.ts";
import { decodeEvent, type EscrowEvent } from "../../chain/event.ts";
import { LogRange } from "../../chain/logRange.ts";
import { Rpc } from "../../chain/rpc.ts";
import type { Address, ChannelId, Hex } from "../../protocol/index.ts";
import type { LoggedPayout, ShownPayout } from "./payoutCheck.ts";
import type { NodeRecord } from "./statementRecord.ts";
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
  const history = new History();
  const range = new LogRange(eth, escrow);
  const { number: head } = await eth.newestHeader({ signal });
  for (let next = init.escrowBlock ?? 0; next <= head; ) {
    const { logs, to } = await range.read(next, head, { signal });
    for (const log of logs) history.add(decodeEvent(log), log.transactionHash, log.blockNumber);
    next = to + 1;
  }
  const knows = (node: NodeRecord) => BigInt(node.chainId) === chainId && node.escrow === escrow;
  return {
    channel: async (node, channelId, participant, side): Promise<ChainEvidence> => {
      if (!knows(node)) return { deposits: [], withdrawals: [], settled: undefined };
      return { ...history.of(channelId, participant), settled: history.settlements.get(channelId)?.[side] };
    },
    payouts: async (node) => {
      const logged = knows(node) ? (history.payouts.get(node.account) ?? []) : [];
      const shown: ShownPayout[] = [];
      for (const { block, payout } of logged)
        shown.push({ ...payout, time: await timeOf(eth, block, signal) });
      return shown;
    },
  };
}

/** Unix milliseconds. */
async function timeOf(eth: Eth, block: number, signal: AbortSignal): Promise<number> {
  const header = await eth.header(block, { signal });
  if (header !== undefined) return header.timestamp * 1_000;
  throw new ChainError({
    code: "rpc_inconsistent",
    reason: "a block whose logs it showed is missing",
    block,
  });
}

/** What an escrow's events come to. */
class History {
  readonly settlements = new Map<string, readonly [bigint, bigint]>();
  /** By account. */
  readonly payouts = new Map<string, { readonly block: number; readonly payout: LoggedPayout }[]>();
  readonly #sides = new Map<string, Shown>();
  /** By channel: the total of its last withdrawal, or undefined once it settled. A refused payout follows what caused it. */
  readonly #causes = new Map<ChannelId, bigint | undefined>();

  of(channelId: string, participant: string): Shown {
    const key = `${channelId}/${participant}`;
    const shown = this.#sides.get(key) ?? { deposits: [0n], withdrawals: [0n] };
    this.#sides.set(key, shown);
    return shown;
  }

  add(event: EscrowEvent | undefined, transaction: Hex, block: number): void {
    switch (event?.kind) {
      case "deposited":
        this.of(event.channelId, event.participant).deposits.push(event.totalDeposit);
        return;
      case "withdrawn":
        this.of(event.channelId, event.participant).withdrawals.push(event.totalWithdrawn);
        this.#causes.set(event.channelId, event.totalWithdrawn);
        return;
      case "settled":
        this.settlements.set(event.channelId, [event.share0, event.share1]);
        this.#causes.delete(event.channelId);
        return;
      case "payoutCredited": {
        const { token, amount, channelId } = event;
        const withdrawn = this.#causes.get(channelId);
        this.#addPayout(event.account, block, {
          kind: "credited",
          transaction,
          token,
          amount,
          channelId,
          withdrawn,
        });
        return;
      }
      case "payoutWithdrawn": {
        const { token, amount, to } = event;
        this.#addPayout(event.account, block, { kind: "fetched", transaction, token, amount, to });
      }
    }
  }

  #addPayout(account: Address, block: number, payout: LoggedPayout): void {
    const payouts = this.payouts.get(account);
    if (payouts === undefined) this.payouts.set(account, [{ block, payout }]);
    else payouts.push({ block, payout });
  }
}
