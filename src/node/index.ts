export { ChainError, type ChainErrorCode, type ChainFailure } from "../chain/error.ts";
export { type PeerCode, PeerError } from "../p2p/error.ts";
export { type Address, type ChannelId, ZERO_ADDRESS } from "../protocol/index.ts";
export { StoreError, type StoreErrorCode } from "../store/storeError.ts";
export type { Backup, BackupOptions, RecoveredChannel, RecoveryStatus } from "./backup/backup.ts";
export { BackupError, type BackupErrorCode } from "./backup/backupError.ts";
export {
  type RestoreFromMnemonicOptions,
  type RestoreOptions,
  restoreBackup,
  restoreFromMnemonic,
} from "./backup/restore.ts";
export type { RestoredChannel, RestoreReport } from "./backup/restoreReport.ts";
export type { ChainStatus } from "./chainSync.ts";
export type { BatchReceipt } from "./channel/batchOutcome.ts";
export type { CloseMode, CloseOptions } from "./channel/closer.ts";
export { createNode, type NodeSeams } from "./createNode.ts";
export { NodeError, type NodeErrorCode } from "./error.ts";
export type { NodeEvents } from "./events.ts";
export type { GasWalletStatus } from "./gasWallet.ts";
export type { EventType, ToldType } from "./history/eventRecord.ts";
export type { FollowOptions, History, HistoryEvent } from "./history/history.ts";
export type { Direction, ListedPayment } from "./history/listedPayment.ts";
export type { Approval } from "./limits/approvals.ts";
export type { Budget, Caps, Spent } from "./limits/caps.ts";
export type { Decision, Verdict } from "./limits/decisions.ts";
export type { Frozen } from "./limits/freeze.ts";
export type { SpendingGate, SpendOrder } from "./limits/gate.ts";
export type { LimitsPolicy, OnTrip, PeerLimits, SpendingLimits, VelocityAlarm } from "./limits/policy.ts";
export type { Spender } from "./limits/spender.ts";
export type { ChannelInfo, RivuletNode } from "./node.ts";
export type { OpenOptions } from "./opener.ts";
export type { NodeOptions, OpenPolicy } from "./options.ts";
export { type Payment, PaymentBatch, type PaymentOrder, type Receipt } from "./payment.ts";
export type { WaitingPayout } from "./payouts/payouts.ts";
export type {
  CloseProgress,
  DepositProgress,
  OpenProgress,
  OperationProgress,
  WithdrawProgress,
} from "./progress.ts";
export type { Quote, QuotedTransaction, QuoteOrder } from "./quotes.ts";
export type { MadeRequest, RequestInfo, RequestPayment } from "./requests/requestInfo.ts";
export type { PaidRequest, PayRequestOptions } from "./requests/requestPayer.ts";
export type { ListRequestsOptions, MakeRequestOptions, Requests } from "./requests/requests.ts";
export type { TokenInfo } from "./wallet.ts";
