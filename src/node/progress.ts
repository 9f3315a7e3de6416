import type { Progress } from "../chain/intent.ts";
import type { ChannelId } from "../protocol/index.ts";

/** What an operation waits for now, for people to see. A step is told again whenever something about it changes. */
interface Waiting<Step extends string> {
  readonly step: Step;
  readonly channelId: ChannelId;
  /** Where the transaction is that is waited for: its hash, its confirmations, or why it is held up. */
  readonly progress?: Progress | undefined;
  /** Unix seconds: when this wait ends by itself. */
  readonly until?: bigint | undefined;
  /** Why this step is taken, in words. */
  readonly reason?: string | undefined;
}

/**
 * - `approve`: the token's allowance for the deposit that follows.
 * - `deposit`: the deposit's transaction.
 * - `crediting`: confirmed; the other side has yet to count it.
 */
export type DepositProgress = Waiting<"approve" | "deposit" | "crediting">;

/**
 * - `proposed`: the other side's answer.
 * - `accepted`: the deposit comes next, with its own steps.
 * - `open`: done.
 */
export type OpenProgress = Waiting<"proposed" | "accepted" | "open"> | DepositProgress;

/**
 * - `connecting`: the other side is away.
 * - `signing`: its signature; `until` is the deadline both sign, when the amount is back in the channel.
 * - `withdraw`: the transaction; `until` as above.
 * - `withdrawn`: done.
 */
export type WithdrawProgress = Waiting<"connecting" | "signing" | "withdraw" | "withdrawn">;

/**
 * - `signing`: payments have stopped and the other side has yet to sign; `until` we close alone.
 * - `agreed`: both have signed; `until` the close may be mined.
 * - `closing`: we close alone, for the `reason` given; with the transaction that starts it.
 * - `challenging`: our newest proof is brought on chain, before `until`.
 * - `challengePeriod`: the other side may answer, `until` the channel can be settled.
 * - `settling`: the transaction that pays out.
 * - `settled`: done.
 */
export type CloseProgress = Waiting<
  "signing" | "agreed" | "closing" | "challenging" | "challengePeriod" | "settling" | "settled"
>;

/**
 * - `queued`: what was sent before is not mined yet.
 * - `send`: the transaction.
 */
export interface SendProgress extends Omit<Waiting<"queued" | "send">, "channelId"> {
  readonly channelId?: undefined;
}

/** `withdrawPayout`: the transaction. */
export interface PayoutProgress extends Omit<Waiting<"withdrawPayout">, "channelId"> {
  readonly channelId?: undefined;
}

/** What any operation of the node waits for. */
export type OperationProgress =
  | OpenProgress
  | WithdrawProgress
  | CloseProgress
  | SendProgress
  | PayoutProgress;

/** The same listener, without its failures: a slip in what shows a wait must not end what is waited for. */
export function unfailing<Told>(listener: (progress: Told) => void = () => {}): (progress: Told) => void {
  return (progress) => {
    try {
      listener(progress);
    } catch {
      // The listener's own.
    }
  };
}
