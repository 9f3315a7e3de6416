import type { z } from "zod";
import type { RivuletNode } from "../node/node.ts";
import type { AccessTokens } from "./accessTokens/accessTokens.ts";
import type { Backups } from "./backups.ts";
import type { Caller } from "./caller.ts";
import type { ChainQuestions } from "./chainQuestions.ts";
import type { EventStreams } from "./eventStreams.ts";
import type { KeptPeers } from "./keptPeers.ts";
import type { Operations } from "./operations.ts";
import type { Paying } from "./paying.ts";
import type { PerCaller } from "./perCaller.ts";
import type { RouteName, Routes } from "./schema/routes.ts";

/** What a part of a call is once its schema has read it; `undefined` where the route has no such part. */
type Part<Name extends RouteName, Of extends "params" | "query" | "body"> =
  Routes[Name] extends Readonly<Record<Of, infer Schema extends z.ZodType>> ? z.output<Schema> : undefined;

/** One call of a route, checked: every part is as the schema says, the caller has the route's scope. */
export interface Call<Name extends RouteName> {
  readonly params: Part<Name, "params">;
  readonly query: Part<Name, "query">;
  readonly body: Part<Name, "body">;
  /** The `Idempotency-Key` header, 1 to 255 printable ASCII characters; empty only where the route is not `idempotent`. */
  readonly idempotencyKey: string;
  /** The `Last-Event-ID` header. */
  readonly lastEventId: string | undefined;
  readonly caller: Caller;
  /** Aborted when the client has gone or the node stops. */
  readonly signal: AbortSignal;
}

/** An answer that is no JSON value, told piece by piece. */
export interface Streamed {
  readonly mediaType: string;
  /** Offered as a file of this name. */
  readonly fileName?: string;
  readonly body: AsyncIterable<string | Uint8Array>;
}

/** What a handler answers: what the route's schema accepts, a stream where it has none, nothing for 204. */
export type Answer<Name extends RouteName> = Routes[Name] extends {
  readonly response: infer Schema extends z.ZodType;
}
  ? z.input<Schema>
  : Routes[Name] extends { readonly produces: readonly string[] }
    ? Streamed
    : undefined;

/** What handlers work with. Made once by the server, never changed. */
export interface ApiContext {
  readonly node: RivuletNode;
  readonly version: string;
  readonly accessTokens: AccessTokens;
  readonly operations: Operations;
  readonly paying: Paying;
  readonly peers: KeptPeers;
  readonly backups: Backups;
  /** Event streams that are open. */
  readonly streams: EventStreams;
  readonly questions: ChainQuestions;
  /** Statements being written: each reads for as long as its reader does. */
  readonly statements: PerCaller;
  readonly phase: () => "starting" | "ready" | "stopping";
  /** What the node waits for while it starts. */
  readonly waitsFor: () => string | undefined;
  /** Stops node and API, once the answer is out. */
  readonly requestStop: () => void;
}

export type Handler<Name extends RouteName> = (call: Call<Name>, api: ApiContext) => Promise<Answer<Name>>;

/** The handlers of some routes: each file in `routes/` has those of one noun. */
export type Handlers<Name extends RouteName = RouteName> = { readonly [Route in Name]: Handler<Route> };
