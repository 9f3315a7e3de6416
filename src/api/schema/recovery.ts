import { z } from "zod";
import { Phase } from "./channel.ts";
import { Address, Amount, ChannelId, UnixSeconds } from "./common.ts";

/** What a database got back since it was restored, or since a loss of data was noticed. */
export const Recovery = z
  .object({
    restoredAt: UnixSeconds,
    /** Absent where there was no backup. */
    backupCreatedAt: UnixSeconds.optional(),
    /** Every channel has been shown by its peer or has ended. */
    complete: z.boolean(),
    /** What was found to be wrong at the last start, in words. */
    details: z.array(z.string()),
    channels: z.array(
      z.object({
        channelId: ChannelId,
        peer: Address,
        token: Address,
        phase: Phase,
        /** The peer has shown what it holds. */
        shown: z.boolean(),
        /** What came back: our payments, and the peer's. */
        recovered: z.object({ sent: Amount, received: Amount }),
        /** Every payment received by then is proven, whatever the peer says; absent where that is not known. */
        provenThrough: UnixSeconds.optional(),
        /** The most the peer may have paid beyond what is proven: only its honesty brings it back. */
        atRisk: Amount,
      }),
    ),
  })
  .meta({ id: "Recovery" });
export type Recovery = z.infer<typeof Recovery>;
