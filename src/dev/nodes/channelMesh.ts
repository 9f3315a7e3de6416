import { type Address, type ChannelId, ZERO_ADDRESS } from "../../protocol/index.ts";
import { DEV_CONTRACTS } from "../chain/deploy.ts";
import { all } from "./all.ts";
import { channelBecomes } from "./channelWait.ts";
import type { DevNode } from "./devNode.ts";

/** Seconds: a real channel's day would be long to wait for, even where time travels. */
const CHALLENGE_PERIOD = 3_600;

/** What both sides deposit in each channel, base units: 10 coins, 10,000 USDC. */
const DEPOSITS: readonly { readonly token: Address; readonly deposit: bigint }[] = [
  { token: ZERO_ADDRESS, deposit: 10n ** 19n },
  { token: DEV_CONTRACTS.usdc.address, deposit: 10n ** 10n },
];

/** A channel that was opened with the network. */
export interface DevChannel {
  readonly channelId: ChannelId;
  readonly nodes: readonly [opener: string, other: string];
  readonly token: Address;
}

export interface ChannelPlan {
  readonly opener: DevNode;
  readonly other: DevNode;
  readonly token: Address;
  readonly deposit: bigint;
}

/** A channel of every pair in each token. */
export function planChannels(nodes: readonly DevNode[]): ChannelPlan[] {
  const pairs = nodes.flatMap((opener, i) => nodes.slice(i + 1).map((other) => ({ opener, other })));
  return pairs.flatMap((pair) => DEPOSITS.map((terms) => ({ ...pair, ...terms })));
}

/** Opens the channels that are planned and not there yet, all at once. */
export function openChannels(plans: readonly ChannelPlan[]): Promise<DevChannel[]> {
  return all(plans.map(openChannel));
}

async function openChannel({ opener, other, token, deposit }: ChannelPlan): Promise<DevChannel> {
  let channelId = await existing(opener, other, token);
  if (channelId === undefined) {
    const terms = { token, deposit, requestDeposit: deposit, challengePeriod: CHALLENGE_PERIOD };
    ({ channelId } = await opener.node.openChannel({ peer: other.address, ...terms }));
    await channelBecomes(opener, channelId, ({ receiveCapacity }) => receiveCapacity >= deposit);
    await channelBecomes(other, channelId, ({ sendCapacity }) => sendCapacity >= deposit);
  }
  await Promise.all([opener, other].map(({ node }) => node.ready(channelId)));
  return { channelId, nodes: [opener.name, other.name], token };
}

async function existing(opener: DevNode, other: DevNode, token: Address): Promise<ChannelId | undefined> {
  for await (const channel of opener.node.channels()) {
    const fits = channel.peer === other.signer && channel.token === token && channel.phase === "open";
    if (fits) return channel.channelId;
  }
  return undefined;
}
