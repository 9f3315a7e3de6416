import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { ApiError } from "./error.ts";
import type { ApiOptions } from "./options.ts";

type Tls = NonNullable<ApiOptions["tls"]>;

/** Throws `option_invalid`, saying what is wrong, where nobody could serve with this certificate and key. */
export function assertTls({ certificate, key }: Tls): void {
  const leaf = attempt("tls certificate", "no PEM certificate", () => new X509Certificate(certificate));
  const secret = attempt<KeyObject>("tls key", "no PEM private key without a password", () =>
    createPrivateKey(key),
  );
  if (!leaf.checkPrivateKey(secret)) throw invalid("tls key", "it is not the certificate's");
  attempt("tls certificate", "OpenSSL does not take it", () =>
    createSecureContext({ cert: certificate, key }),
  );
}

/**
 * Why clients refuse this certificate at `now` (Unix milliseconds), or undefined. No reason not to start: a node that does
 * not run watches over no channel.
 */
export function outOfDate({ certificate }: Tls, now: number): string | undefined {
  const { validFrom, validTo } = new X509Certificate(certificate);
  if (Date.parse(validTo) <= now) return `it expired on ${validTo}`;
  if (Date.parse(validFrom) > now) return `it is valid only from ${validFrom}; is the clock right?`;
  return undefined;
}

function attempt<Value>(option: string, reason: string, run: () => Value): Value {
  try {
    return run();
  } catch (error) {
    throw invalid(option, reason, error);
  }
}

function invalid(option: string, reason: string, cause?: unknown): ApiError {
  return new ApiError({ code: "option_invalid", fields: { option, reason } }, { cause });
}
