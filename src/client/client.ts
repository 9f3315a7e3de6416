import type { z } from "zod";
import type { Event } from "../api/schema/event.ts";
import type { RouteName, Routes } from "../api/schema/routes.ts";
import { type FollowEvents, followEvents } from "./events.ts";
import { CALLS, IDEMPOTENT } from "./routes.ts";
import { type Sent, Transport, type TransportOptions } from "./transport.ts";

/** Amounts may be given as bigint; what comes back is decimal strings, as JSON has it. */
type Given<Value> = Value extends string
  ? string extends Value
    ? string | bigint
    : Value
  : Value extends readonly (infer Item)[]
    ? readonly Given<Item>[]
    : Value extends object
      ? { readonly [Key in keyof Value]: Given<Value[Key]> }
      : Value;

type Part<Name extends RouteName, Of extends "params" | "query" | "body"> =
  Routes[Name] extends Readonly<Record<Of, infer Schema extends z.ZodType>>
    ? { readonly [Key in Of]: Given<z.input<Schema>> }
    : unknown;

/** Parts whose fields are all optional may be left out. */
type Loose<Value> = Value extends { readonly query: infer Query }
  ? Partial<Query> extends Query
    ? { readonly query?: Query }
    : Value
  : Value;

type Keyed<Name extends RouteName> = Routes[Name] extends { readonly idempotent: true }
  ? {
      /** The same key again is the same call. Default: a new one for this call and its own retries. */
      readonly idempotencyKey?: string | undefined;
    }
  : unknown;

/** What a call takes: parts as the API's schemas say, and a signal. */
export type CallOf<Name extends RouteName> = Part<Name, "params"> &
  Loose<Part<Name, "query">> &
  Part<Name, "body"> &
  Keyed<Name> & { readonly signal?: AbortSignal | undefined };

/** What a call gives: the answer's JSON, the raw answer where it is a stream, nothing where it has no body. */
export type AnswerOf<Name extends RouteName> = Routes[Name] extends {
  readonly response: infer Schema extends z.ZodType;
}
  ? z.output<Schema>
  : Routes[Name] extends { readonly produces: readonly string[] }
    ? Response
    : undefined;

/** Calls that need nothing may be made with nothing. */
type Arguments<Name extends RouteName> =
  Record<never, never> extends CallOf<Name> ? [call?: CallOf<Name>] : [call: CallOf<Name>];

export type ClientCalls = {
  readonly [Name in Exclude<RouteName, "events">]: (...call: Arguments<Name>) => Promise<AnswerOf<Name>>;
};

interface AnyCall extends Partial<Pick<Sent, "query" | "body" | "idempotencyKey" | "signal">> {
  readonly params?: Readonly<Record<string, unknown>>;
}

class Client {
  readonly #transport: Transport;

  constructor(options: TransportOptions) {
    this.#transport = new Transport(options);
    for (const name of Object.keys(CALLS) as RouteName[]) {
      if (name === "events") continue;
      Object.defineProperty(this, name, { value: (call: AnyCall = {}) => this.#call(name, call) });
    }
  }

  /** The node's events, without end; after a lost connection none is missed and none comes twice. */
  events(options: FollowEvents = {}): AsyncGenerator<Event> {
    return followEvents(this.#transport, CALLS.events[1], options);
  }

  async #call(
    name: RouteName,
    { params = {}, query, body, idempotencyKey, signal }: AnyCall,
  ): Promise<unknown> {
    const [method, path] = CALLS[name];
    const keyed = name in IDEMPOTENT;
    const response = await this.#transport.send({
      method,
      path: path.replace(/:([a-zA-Z]+)/g, (_, part: string) => encodeURIComponent(String(params[part]))),
      query,
      body,
      idempotencyKey: keyed ? (idempotencyKey ?? crypto.randomUUID()) : undefined,
      repeatable: keyed || method === "GET",
      signal,
    });
    if (response.status === 204) return undefined;
    return name === "statement" || name === "backup" ? response : response.json();
  }
}

/**
 * A client of one node's HTTP API, in Node and in browsers: one method per call of the API, named as in its
 * OpenAPI document. Failures are `ApiProblem` (the node refused) or `Unreachable` (nobody knows whether it took the call:
 * ask again with the same idempotency key).
 *
 * @example
 * const node = new RivuletClient({ url: "http://127.0.0.1:9742", token });
 * const receipt = await node.pay({ body: { channelId, amount: 250_000n } });
 */
export type RivuletClient = Client & ClientCalls;
export const RivuletClient = Client as unknown as new (options: TransportOptions) => RivuletClient;
