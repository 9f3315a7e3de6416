import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { answererOf } from "../node/limits/spender.ts";
import { ApiError } from "./error.ts";
import { type ApiLimits, COUNT_WINDOW_MS } from "./options.ts";

type Count = ReturnType<FastifyInstance["createRateLimit"]>;

/** Counts calls, by access token or by address: the last 5,000 of each, the longest unseen is forgotten first. */
export class Rates {
  readonly #ofTokens: Count;
  readonly #ofAddresses: Count;

  private constructor(ofTokens: Count, ofAddresses: Count) {
    this.#ofTokens = ofTokens;
    this.#ofAddresses = ofAddresses;
  }

  static async create(app: FastifyInstance, limits: ApiLimits): Promise<Rates> {
    await app.register(rateLimit, { global: false, timeWindow: COUNT_WINDOW_MS });
    const most = (perSecond: number) => Math.ceil((perSecond * COUNT_WINDOW_MS) / 1000);
    return new Rates(
      app.createRateLimit({
        max: most(limits.callsPerSecond),
        // Whoever makes a hundred tokens from one calls no faster.
        keyGenerator: ({ caller }) => answererOf(caller!.spender),
      }),
      app.createRateLimit({ max: most(limits.anonymousPerSecond) }),
    );
  }

  /** Counts a call of a known caller. Throws `rate_limited`. */
  ofToken(request: FastifyRequest): Promise<void> {
    return this.#count(this.#ofTokens, request);
  }

  /** Counts a call of somebody unknown. Throws `rate_limited`. */
  ofAddress(request: FastifyRequest): Promise<void> {
    return this.#count(this.#ofAddresses, request);
  }

  async #count(count: Count, request: FastifyRequest): Promise<void> {
    const told = await count(request);
    if (told.isAllowed || !told.isExceeded) return;
    const retryAfterSeconds = BigInt(told.ttlInSeconds);
    throw new ApiError({ code: "rate_limited", fields: { retryAfterSeconds } });
  }
}
