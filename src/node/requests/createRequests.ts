import type { PeerHost } from "../../p2p/peerHost.ts";
import type { ChannelId } from "../../protocol/index.ts";
import type { Channels } from "../channels.ts";
import type { NodeContext } from "../context.ts";
import type { PaidOnce } from "../paidOnce.ts";
import { Forgetter } from "./forgetter.ts";
import { Refunder } from "./refunder.ts";
import type { Judgement } from "./requestBook.ts";
import { RequestPayer, type RequestPayerInit } from "./requestPayer.ts";
import { Requests } from "./requests.ts";

interface Init {
  readonly context: NodeContext;
  readonly channels: Channels;
  readonly host: PeerHost;
  readonly paidOnce: PaidOnce;
  /** What payments of others' requests pass. */
  readonly gate: RequestPayerInit["gate"];
  /** The database may have lost payments. */
  readonly lost: boolean;
  /** Our clock, Unix seconds. */
  readonly now: () => number;
}

/** What of this room a node calls. */
export interface RequestParts {
  readonly requests: Requests;
  readonly refunder: Refunder;
  readonly forgetter: Forgetter;
  /** Reads what is open and what is owed. Before peers are met. */
  open(): Promise<void>;
  /** A batch that decided about payments is durable. */
  onJudged(channelId: ChannelId, judgement: Judgement): void;
}

export function createRequests({ context, channels, host, paidOnce, gate, lost, now }: Init): RequestParts {
  const refunder = new Refunder(context, channels, paidOnce);
  const payer = new RequestPayer({ context, channels, host, gate, lost, now });
  const requests = new Requests({ context, payer, host, now });
  const forgetter = new Forgetter({ context, lost, now });
  return {
    requests,
    refunder,
    forgetter,
    open: async () => {
      await context.requests.open(context.stopping);
      await refunder.open();
      forgetter.open();
    },
    onJudged: (channelId, { paid, refunds }) => {
      if (paid.length > 0) requests.announce(paid).catch((error: unknown) => context.fail(error));
      if (refunds > 0) refunder.owe(channelId);
    },
  };
}
