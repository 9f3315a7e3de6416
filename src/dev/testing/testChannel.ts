import type { ChannelInfo, CloseMode, Receipt } from "../../node/index.ts";
import type { Address, ChannelId } from "../../protocol/index.ts";
import type { DevNode } from "../nodes/devNode.ts";

export interface SettleOptions {
  /**
   * `cooperative` (default): both sign, and it is settled at once. `unilateral`: the opener closes alone, and time
   * travels past the challenge period.
   */
  readonly mode?: CloseMode;
}

/** How a channel moves its network's time along. */
export type Settler = (channel: TestChannel, options: SettleOptions) => Promise<ChannelInfo>;

/** A channel between two nodes of a test network. Amounts in the token's base unit. */
export class TestChannel {
  readonly id: ChannelId;
  /** Who opened it. */
  readonly opener: DevNode;
  readonly other: DevNode;
  readonly token: Address;
  readonly challengePeriod: number;
  readonly #settle: Settler;

  constructor(
    info: Pick<ChannelInfo, "channelId" | "token">,
    ends: { readonly opener: DevNode; readonly other: DevNode; readonly challengePeriod: number },
    settle: Settler,
  ) {
    this.id = info.channelId;
    this.token = info.token;
    this.opener = ends.opener;
    this.other = ends.other;
    this.challengePeriod = ends.challengePeriod;
    this.#settle = settle;
  }

  /** Pays the other side, or the opener with `from: channel.other`. Resolves once it is final. */
  pay(amount: bigint, { from = this.opener }: { readonly from?: DevNode } = {}): Promise<Receipt> {
    return from.node.pay({ channelId: this.id, amount });
  }

  /** How the channel stands, as one side sees it. Default: the opener. */
  info(side: DevNode = this.opener): Promise<ChannelInfo> {
    return side.node.channel(this.id);
  }

  /** Settles the channel; `paidOut` of what it resolves with is what opener and other got. */
  settle(options: SettleOptions = {}): Promise<ChannelInfo> {
    return this.#settle(this, options);
  }
}
