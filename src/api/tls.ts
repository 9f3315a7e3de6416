import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { ApiError } from "./error.ts";
import type { ApiOptions } from "./options.ts";

/**
 * Throws `option_invalid`, saying what is wrong, where no client could make a connection with this certificate and
 * key. `now`: Unix milliseconds.
 */
export function assertTls({ certificate, key }: NonNullable<ApiOptions["tls"]>, now: number): void {
  const leaf = attempt("tls certificate", "no PEM certificate", () => new X509Certificate(certificate));
  const secret = attempt<KeyObject>("tls key", "no PEM private key without a password", () =>
    createPrivateKey(key),
  );
  if (!leaf.checkPrivateKey(secret)) throw invalid("tls key", "it is not the certificate's");
  if (Date.parse(leaf.validTo) <= now) throw invalid("tls certificate", `it expired on ${leaf.validTo}`);
  if (Date.parse(leaf.validFrom) > now)
    throw invalid("tls certificate", `it is valid only from ${leaf.validFrom}; is the clock right?`);
  attempt("tls certificate", "OpenSSL does not take it", () =>
    createSecureContext({ cert: certificate, key }),
  );
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
