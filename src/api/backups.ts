import type { Logger } from "pino";
import type { RivuletNode } from "../node/node.ts";
import type { Caller } from "./caller.ts";
import { ApiError } from "./error.ts";

/** What backups take that a node does not have: the way to its owner's password, and its settings. */
export interface BackupAccess {
  /**
   * The mnemonic that `password` opens, at the same cost whether it is right or wrong. Rejects with an error whose
   * `code` is `wrong_password`, or what else is the matter with the keystore.
   */
  readonly openKeystore: (password: string, signal: AbortSignal) => Promise<string | undefined>;
  /** The node's settings as text, to lie in the backup. */
  readonly config?: string;
}

interface BackupsInit {
  readonly node: RivuletNode;
  readonly log: Logger;
  readonly access: BackupAccess | undefined;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

/** Wrong passwords in {@link WINDOW_MS} after which none is looked at: too few to guess with, enough for a slip. */
export const MOST_WRONG = 5;

export const WINDOW_MS = 10 * 60_000;

/**
 * Hands out backups, which hold the mnemonic, to who knows the keystore's password: an access token alone, which may be
 * stolen, is the power to call this node, and never the keys themselves.
 */
export class Backups {
  readonly #init: BackupsInit;
  readonly #now: () => number;
  /** When wrong passwords came, Unix milliseconds. Of all callers: one token can make many. */
  #wrong: number[] = [];
  #busy = false;

  constructor(init: BackupsInit) {
    this.#init = init;
    this.#now = init.now ?? Date.now;
  }

  /**
   * A backup under `password`, piece by piece. Throws `not_available`, `rate_limited`, `keystore_password_wrong` and
   * `keystore_unusable` before the first piece.
   */
  async stream(
    { password, keystorePassword }: { readonly password: string; readonly keystorePassword: string },
    { accessTokenId }: Caller,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<Uint8Array>> {
    const { node, log, access } = this.#init;
    if (access === undefined) throw new ApiError({ code: "not_available", fields: { what: "backup" } });
    try {
      await this.#check(access, keystorePassword, signal);
    } catch (error) {
      if (error instanceof ApiError) log.warn({ accessTokenId, code: error.code }, "a backup was refused");
      throw error;
    }
    log.info({ accessTokenId }, "a backup is handed out");
    return node.backup.stream({ password, ...(access.config !== undefined && { config: access.config }) });
  }

  async #check(access: BackupAccess, keystorePassword: string, signal: AbortSignal): Promise<void> {
    this.#limit();
    // Each look at a password takes 128 MiB: one at a time.
    this.#busy = true;
    try {
      const mnemonic = await access.openKeystore(keystorePassword, signal);
      if (mnemonic === undefined || !this.#init.node.backup.isOf(mnemonic)) {
        throw new ApiError({ code: "keystore_unusable", fields: { reason: "foreign" } });
      }
    } catch (error) {
      throw this.#refusal(error, signal);
    } finally {
      this.#busy = false;
    }
  }

  #limit(): void {
    const now = this.#now();
    this.#wrong = this.#wrong.filter((at) => now - at < WINDOW_MS);
    const full = this.#wrong.length >= MOST_WRONG;
    if (!full && !this.#busy) return;
    const waitMs = full ? this.#wrong[0]! + WINDOW_MS - now : 1_000;
    const retryAfterSeconds = BigInt(Math.ceil(waitMs / 1_000));
    throw new ApiError({ code: "rate_limited", fields: { retryAfterSeconds } });
  }

  #refusal(error: unknown, signal: AbortSignal): unknown {
    const { code } = error as { code?: unknown };
    if (code === "wrong_password") {
      this.#wrong.push(this.#now());
      return new ApiError({ code: "keystore_password_wrong", fields: {} });
    }
    if (signal.aborted || error instanceof ApiError || typeof code !== "string") return error;
    return new ApiError({ code: "keystore_unusable", fields: { reason: code } }, { cause: error });
  }
}
