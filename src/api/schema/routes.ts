import { z } from "zod";
import { AccessToken, CreateAccessTokenBody, CreatedAccessToken, type RouteScope } from "./accessToken.ts";
import { StatementQuery, TrialBalance } from "./books.ts";
import {
  Channel,
  ChannelsQuery,
  CloseBody,
  DepositBody,
  OpenChannelBody,
  Quote,
  QuoteBody,
  WithdrawBody,
} from "./channel.ts";
import { Address, ChannelId, Nonce, PageQuery, page } from "./common.ts";
import { EventsQuery } from "./event.ts";
import { Approval, ApprovalsQuery, Decision, LimitsPolicy } from "./limits.ts";
import { ConnectBody, FreezeBody, NodeStatus, Peer, TokenInfo } from "./node.ts";
import { Operation, OperationsQuery } from "./operation.ts";
import { Direction, PayBody, Payment, PaymentsQuery, Receipt } from "./payment.ts";
import {
  DecodedRequest,
  DecodeRequestBody,
  MakeRequestBody,
  PaymentRequest,
  RequestsQuery,
} from "./request.ts";

/** One call of the API. The table below is what server, OpenAPI document and client are made from. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly summary: string;
  /** What an access token must allow. */
  readonly scope: RouteScope;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Moves money: asks for an `Idempotency-Key`; the same key again is the same call. */
  readonly idempotent?: true;
  /** Answered before the node has started; all others are `node_starting` then. */
  readonly whileStarting?: true;
  readonly status: 200 | 201 | 202 | 204;
  /** Absent: no JSON, see `produces`. */
  readonly response?: z.ZodType;
  /** Media types of an answer that is a stream. */
  readonly produces?: readonly string[];
}
const id = z.object({ id: z.string().min(1).max(128) });
const paymentHash = z.object({ paymentHash: id.shape.id });
const signer = z.object({ signer: Address });
const channelId = z.object({ channelId: ChannelId });

export const ROUTES = {
  status: {
    method: "GET",
    path: "/v1/node",
    summary: "What this node is, and how it and its chain are",
    scope: "read",
    whileStarting: true,
    status: 200,
    response: NodeStatus,
  },
  stop: {
    method: "POST",
    path: "/v1/node/stop",
    summary: "Stop the node; nothing is cut off in the middle",
    scope: "admin",
    whileStarting: true,
    status: 202,
    response: z.object({ stopping: z.literal(true) }),
  },
  token: {
    method: "GET",
    path: "/v1/tokens/:token",
    summary: "A token's symbol and decimals, and what the account holds of it",
    scope: "read",
    params: z.object({ token: Address }),
    status: 200,
    response: TokenInfo,
  },
  peers: {
    method: "GET",
    path: "/v1/peers",
    summary: "Peers with channels, connections or kept addresses",
    scope: "read",
    status: 200,
    response: z.object({ items: z.array(Peer) }),
  },
  connect: {
    method: "POST",
    path: "/v1/peers",
    summary: "Connect to a peer and stay connected, over restarts too",
    scope: "admin",
    body: ConnectBody,
    status: 200,
    response: Peer,
  },
  disconnect: {
    method: "DELETE",
    path: "/v1/peers/:signer",
    summary: "Forget a peer's addresses and let it go",
    scope: "admin",
    params: signer,
    status: 204,
  },
  channels: {
    method: "GET",
    path: "/v1/channels",
    summary: "Channels, by id",
    scope: "read",
    query: ChannelsQuery,
    status: 200,
    response: page(Channel),
  },
  channel: {
    method: "GET",
    path: "/v1/channels/:channelId",
    summary: "One channel",
    scope: "read",
    params: channelId,
    status: 200,
    response: Channel,
  },
  openChannel: {
    method: "POST",
    path: "/v1/channels",
    summary: "Open a channel and deposit into it",
    scope: "admin",
    body: OpenChannelBody,
    idempotent: true,
    status: 202,
    response: Operation,
  },
  deposit: {
    method: "POST",
    path: "/v1/channels/:channelId/deposit",
    summary: "Add to our deposit",
    scope: "admin",
    params: channelId,
    body: DepositBody,
    idempotent: true,
    status: 202,
    response: Operation,
  },
  withdraw: {
    method: "POST",
    path: "/v1/channels/:channelId/withdraw",
    summary: "Withdraw from an open channel with the other side's consent",
    scope: "admin",
    params: channelId,
    body: WithdrawBody,
    idempotent: true,
    status: 202,
    response: Operation,
  },
  close: {
    method: "POST",
    path: "/v1/channels/:channelId/close",
    summary: "Close a channel and be paid out",
    scope: "admin",
    params: channelId,
    body: CloseBody,
    idempotent: true,
    status: 202,
    response: Operation,
  },
  quote: {
    method: "POST",
    path: "/v1/quotes",
    summary: "What transactions would cost now; sends none",
    scope: "read",
    body: QuoteBody,
    status: 200,
    response: Quote,
  },
  operations: {
    method: "GET",
    path: "/v1/operations",
    summary: "What waits or waited for the chain, newest first",
    scope: "read",
    query: OperationsQuery,
    status: 200,
    response: page(Operation),
  },
  operation: {
    method: "GET",
    path: "/v1/operations/:id",
    summary: "One operation",
    scope: "read",
    params: id,
    status: 200,
    response: Operation,
  },
  pay: {
    method: "POST",
    path: "/v1/payments",
    summary: "Pay; answers when the payee holds the payment durably",
    scope: "pay",
    body: PayBody,
    idempotent: true,
    status: 200,
    response: Receipt,
  },
  payments: {
    method: "GET",
    path: "/v1/payments",
    summary: "Payments both ways, newest first",
    scope: "read",
    query: PaymentsQuery,
    status: 200,
    response: page(Payment),
  },
  payment: {
    method: "GET",
    path: "/v1/payments/:channelId/:direction/:nonce/:index",
    summary: "One payment",
    scope: "read",
    params: z.object({
      channelId: ChannelId,
      direction: Direction,
      nonce: Nonce,
      index: z.coerce.number().int().nonnegative(),
    }),
    status: 200,
    response: Payment,
  },
  makeRequest: {
    method: "POST",
    path: "/v1/requests",
    summary: "Make a payment request",
    scope: "receive",
    body: MakeRequestBody,
    idempotent: true,
    status: 201,
    response: PaymentRequest,
  },
  requests: {
    method: "GET",
    path: "/v1/requests",
    summary: "Requests this node made, newest first",
    scope: "read",
    query: RequestsQuery,
    status: 200,
    response: page(PaymentRequest),
  },
  request: {
    method: "GET",
    path: "/v1/requests/:paymentHash",
    summary: "One request this node made",
    scope: "receive",
    params: paymentHash,
    status: 200,
    response: PaymentRequest,
  },
  cancelRequest: {
    method: "DELETE",
    path: "/v1/requests/:paymentHash",
    summary: "Cancel a request; what pays it from then on is given back",
    scope: "admin",
    params: paymentHash,
    status: 200,
    response: PaymentRequest,
  },
  decodeRequest: {
    method: "POST",
    path: "/v1/requests/decode",
    summary: "Read and check a request string; pays nothing",
    scope: "read",
    body: DecodeRequestBody,
    status: 200,
    response: DecodedRequest,
  },
  events: {
    method: "GET",
    path: "/v1/events",
    summary: "What happens, as server-sent events with resumable cursors",
    scope: "read",
    query: EventsQuery,
    status: 200,
    produces: ["text/event-stream"],
  },
  accessTokens: {
    method: "GET",
    path: "/v1/access-tokens",
    summary: "Access tokens, without their secrets",
    scope: "admin",
    status: 200,
    response: z.object({ items: z.array(AccessToken) }),
  },
  createAccessToken: {
    method: "POST",
    path: "/v1/access-tokens",
    summary: "Make an access token; its secret is shown this once",
    scope: "read",
    body: CreateAccessTokenBody,
    status: 201,
    response: CreatedAccessToken,
  },
  revokeAccessToken: {
    method: "DELETE",
    path: "/v1/access-tokens/:id",
    summary: "End an access token and all made from it; `self` is the caller's",
    scope: "any",
    params: id,
    status: 204,
  },
  limits: {
    method: "GET",
    path: "/v1/limits",
    summary: "The node's spending limits and alarms",
    scope: "read",
    status: 200,
    response: LimitsPolicy,
  },
  setLimits: {
    method: "PUT",
    path: "/v1/limits",
    summary: "Replace the spending limits and alarms",
    scope: "admin",
    body: LimitsPolicy,
    status: 200,
    response: LimitsPolicy,
  },
  decisions: {
    method: "GET",
    path: "/v1/limits/decisions",
    summary: "What limits and alarms decided and why, newest first",
    scope: "read",
    query: PageQuery,
    status: 200,
    response: page(Decision),
  },
  approvals: {
    method: "GET",
    path: "/v1/approvals",
    summary: "Payments held for approval, newest first",
    scope: "read",
    query: ApprovalsQuery,
    status: 200,
    response: page(Approval),
  },
  approve: {
    method: "POST",
    path: "/v1/approvals/:id/approve",
    summary: "Let a held payment go; whoever asked for it asks again with the same key",
    scope: "admin",
    params: id,
    status: 200,
    response: Approval,
  },
  deny: {
    method: "POST",
    path: "/v1/approvals/:id/deny",
    summary: "Refuse a held payment for good",
    scope: "admin",
    params: id,
    status: 200,
    response: Approval,
  },
  freeze: {
    method: "POST",
    path: "/v1/freeze",
    summary: "Stop all spending until it is thawed",
    scope: "pay",
    body: FreezeBody,
    status: 204,
  },
  unfreeze: {
    method: "POST",
    path: "/v1/unfreeze",
    summary: "Thaw spending",
    scope: "admin",
    status: 204,
  },
  books: {
    method: "GET",
    path: "/v1/books",
    summary: "Trial balance per token, beside what channels and wallet hold",
    scope: "read",
    status: 200,
    response: z.object({ items: z.array(TrialBalance) }),
  },
  statement: {
    method: "GET",
    path: "/v1/statements",
    summary: "A statement with the signed proofs as evidence",
    scope: "read",
    query: StatementQuery,
    status: 200,
    produces: ["application/json", "text/csv"],
  },
  backup: {
    method: "POST",
    path: "/v1/backup",
    summary: "An encrypted copy of everything, the mnemonic included, as one file",
    scope: "admin",
    body: z.object({
      password: z.string().min(8).max(1024).meta({ description: "What the file is encrypted under." }),
      keystorePassword: z.string().min(1).max(1024).meta({
        description: "The keystore's own: the token alone, which may be stolen, gives nobody the keys.",
      }),
    }),
    status: 200,
    produces: ["application/octet-stream"],
  },
} as const satisfies Readonly<Record<string, Route>>;

export type Routes = typeof ROUTES;
export type RouteName = keyof Routes;
