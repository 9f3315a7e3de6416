import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Authorizer } from "./authorizer.ts";
import { ApiError } from "./error.ts";
import type { Caller } from "./handler.ts";

const PREFIX = "rvk_";
const SECRET_BYTES = 32;

/** The token of whoever owns the data directory: everything is allowed to it. */
export class AdminToken implements Authorizer {
  readonly secret: string;
  readonly #hash: Buffer;

  private constructor(secret: string) {
    this.secret = secret;
    this.#hash = hashOf(secret);
  }

  /** Reads the file, or makes it with a new secret that only its owner may read. */
  static async open(path: string): Promise<AdminToken> {
    try {
      const secret = (await readFile(path, "utf8")).trim();
      await chmod(path, 0o600);
      if (secret.startsWith(PREFIX)) return new AdminToken(secret);
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOENT") throw error;
    }
    const secret = `${PREFIX}${randomBytes(SECRET_BYTES).toString("base64url")}`;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, `${secret}\n`, { mode: 0o600 });
    await chmod(path, 0o600);
    return new AdminToken(secret);
  }

  authorize(secret: string): Caller {
    if (!timingSafeEqual(hashOf(secret), this.#hash)) {
      throw new ApiError({ code: "unauthenticated", fields: {} });
    }
    return { accessTokenId: "admin", scopes: ["read", "receive", "pay", "admin"] };
  }
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
