export { type Account, accountFromKey } from "./account.ts";
export { Erc20, MAX_DECIMALS, MAX_SYMBOL_CHARS } from "./erc20.ts";
export { ChainError, type ChainErrorCode, type ChainFailure, describeFailure, failureOf } from "./error.ts";
export {
  type ChannelStatus,
  Escrow,
  type EscrowState,
  escrowInterface,
  NO_SIGNATURE,
  type ProofEvidence,
  type RecordedProof,
} from "./escrow.ts";
export { type BlockTag, type Call, Eth, type Header, type RawLog, type Receipt } from "./eth.ts";
export { decodeEvent, type EscrowEvent, type EventPlace } from "./event.ts";
export {
  type EndpointNews,
  type EndpointStatus,
  FailoverRpc,
  type FailoverRpcInit,
} from "./failover.ts";
export { DEFAULT_FEE_POLICY, type FeePolicy, feePolicyOf } from "./fees.ts";
export type { Failed, Intent, Outcome, Progress, Refused, WaitReason } from "./intent.ts";
export { Journal, type JournalOp, type JournalStore } from "./journal.ts";
export type { CallOptions, JsonRpc } from "./jsonRpc.ts";
export { type ChainPreset, chainPreset, chainPresets, type KnownToken } from "./presets.ts";
export { MAX_OPEN, Publisher, type PublisherInit, type PublisherStatus } from "./publisher.ts";
export { decodeRevert, type Revert } from "./revert.ts";
export { Rpc, type RpcInit } from "./rpc.ts";
export {
  type ChainNotice,
  DEFAULT_MAX_FUTURE_SECONDS,
  DEFAULT_REORG_BOUND,
  Watcher,
  type WatcherInit,
  type WatcherStatus,
} from "./watcher.ts";
