import type { RouteName, Routes } from "../api/schema/routes.ts";

/** Where each call goes. The types tie every line to the API's own table: a route that moves does not compile. */
export const CALLS: {
  readonly [Name in RouteName]: readonly [Routes[Name]["method"], Routes[Name]["path"]];
} = {
  status: ["GET", "/v1/node"],
  stop: ["POST", "/v1/node/stop"],
  token: ["GET", "/v1/tokens/:token"],
  peers: ["GET", "/v1/peers"],
  connect: ["POST", "/v1/peers"],
  disconnect: ["DELETE", "/v1/peers/:signer"],
  channels: ["GET", "/v1/channels"],
  channel: ["GET", "/v1/channels/:channelId"],
  openChannel: ["POST", "/v1/channels"],
  deposit: ["POST", "/v1/channels/:channelId/deposit"],
  withdraw: ["POST", "/v1/channels/:channelId/withdraw"],
  close: ["POST", "/v1/channels/:channelId/close"],
  send: ["POST", "/v1/wallet/send"],
  withdrawPayout: ["POST", "/v1/wallet/withdraw-payout"],
  quote: ["POST", "/v1/quotes"],
  operations: ["GET", "/v1/operations"],
  operation: ["GET", "/v1/operations/:id"],
  pay: ["POST", "/v1/payments"],
  payments: ["GET", "/v1/payments"],
  payment: ["GET", "/v1/payments/:channelId/:direction/:nonce/:index"],
  makeRequest: ["POST", "/v1/requests"],
  requests: ["GET", "/v1/requests"],
  request: ["GET", "/v1/requests/:paymentHash"],
  cancelRequest: ["DELETE", "/v1/requests/:paymentHash"],
  decodeRequest: ["POST", "/v1/requests/decode"],
  events: ["GET", "/v1/events"],
  accessTokens: ["GET", "/v1/access-tokens"],
  createAccessToken: ["POST", "/v1/access-tokens"],
  revokeAccessToken: ["DELETE", "/v1/access-tokens/:id"],
  limits: ["GET", "/v1/limits"],
  setLimits: ["PUT", "/v1/limits"],
  decisions: ["GET", "/v1/limits/decisions"],
  approvals: ["GET", "/v1/approvals"],
  approve: ["POST", "/v1/approvals/:id/approve"],
  deny: ["POST", "/v1/approvals/:id/deny"],
  freeze: ["POST", "/v1/freeze"],
  unfreeze: ["POST", "/v1/unfreeze"],
  books: ["GET", "/v1/books"],
  statement: ["GET", "/v1/statements"],
  recovery: ["GET", "/v1/recovery"],
  backup: ["POST", "/v1/backup"],
};

/** Calls that take an idempotency key, and so may be sent again when nobody knows whether they arrived. */
type IdempotentName = {
  [Name in RouteName]: Routes[Name] extends { readonly idempotent: true } ? Name : never;
}[RouteName];

export const IDEMPOTENT: { readonly [Name in IdempotentName]: true } = {
  openChannel: true,
  deposit: true,
  withdraw: true,
  close: true,
  send: true,
  withdrawPayout: true,
  pay: true,
  makeRequest: true,
};
