import type { ChannelId } from "../protocol/index.ts";

/** The name of the deposit that an opening makes: one for ever on its channel. */
export const OPENING_DEPOSIT = "open";

/** Whose transactions are asked for. `name`: the deposit's. `total`: the withdrawal's, cumulative. */
export type IntentsOf =
  | { readonly kind: "open" | "close" }
  | { readonly kind: "deposit"; readonly name: string }
  | { readonly kind: "withdraw"; readonly total: bigint };

const CLOSING = ["closeCooperatively", "startClose", "challenge", "settle"] as const;

/** The intent that deposits under `name`. */
export function depositIntent(channelId: ChannelId, name: string): string {
  return `${channelId}/deposit/${name}`;
}

/** What the intents that approve a token for that deposit begin with. */
export function approveIntents(channelId: ChannelId, name: string): string {
  return `${channelId}/approve/${name}`;
}

/** The beginnings of the names of all intents that an operation in a channel makes, each up to a slash. */
export function intentsOf(channelId: ChannelId, operation: IntentsOf): string[] {
  switch (operation.kind) {
    case "open":
      return intentsOf(channelId, { kind: "deposit", name: OPENING_DEPOSIT });
    case "deposit":
      return [approveIntents(channelId, operation.name), depositIntent(channelId, operation.name)];
    case "withdraw":
      return [`${channelId}/withdraw/${operation.total}`];
    case "close":
      return CLOSING.map((step) => `${channelId}/${step}`);
  }
}
