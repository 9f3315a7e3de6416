import { sha256 } from "@noble/hashes/sha2.js";
import type { Crypto, Ecdsa, Keccak256 } from "../protocol/ports.ts";
import { jsEcdsa } from "./jsEcdsa.ts";
import { createWasmKeccak256, jsKeccak256 } from "./keccak.ts";
import { checkEcdsa, checkKeccak256 } from "./selfCheck.ts";

/** The part of a logger this room uses; pino's fits. */
export interface CryptoLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface CryptoOptions {
  /** The curve to try first, `"native"` by default. `"js"` takes plain JavaScript even where the addon would load. */
  readonly prefer?: "native" | "js";
  /** Told which implementations were chosen, and warned of each that was not to be had. */
  readonly log?: CryptoLog;
}

/** The chosen implementations. Their names are for the log and for benchmarks that refuse slow ones. */
export interface ChosenCrypto extends Crypto {
  readonly keccakName: "wasm" | "js";
}

/**
 * Chooses, checks against known answers and names the implementations.
 *
 * `loadNative` is the caller's, so that a page's bundle never contains the way to the addon. Rejects only when the
 * plain JavaScript itself gives wrong answers.
 */
export async function chooseCrypto(
  options: CryptoOptions,
  loadNative: (() => Promise<Ecdsa>) | undefined,
): Promise<ChosenCrypto> {
  const ecdsa = await chooseEcdsa(options, loadNative);
  const { keccak256, keccakName } = await chooseKeccak256(options.log);
  options.log?.info({ ecdsa: ecdsa.name, keccak: keccakName }, "crypto chosen");
  return { keccak256, keccakName, sha256: (data) => sha256(data), ecdsa };
}

async function chooseEcdsa(
  { prefer = "native", log }: CryptoOptions,
  loadNative: (() => Promise<Ecdsa>) | undefined,
): Promise<Ecdsa> {
  if (prefer === "native" && loadNative !== undefined) {
    try {
      const native = await loadNative();
      checkEcdsa(native);
      return native;
    } catch (cause) {
      log?.warn(
        { reason: messageOf(cause) },
        "native secp256k1 is not to be had: plain JavaScript is ten times slower",
      );
    }
  }
  checkEcdsa(jsEcdsa);
  return jsEcdsa;
}

async function chooseKeccak256(
  log: CryptoLog | undefined,
): Promise<{ keccak256: Keccak256; keccakName: "wasm" | "js" }> {
  try {
    const keccak256 = await createWasmKeccak256();
    checkKeccak256(keccak256);
    return { keccak256, keccakName: "wasm" };
  } catch (cause) {
    log?.warn(
      { reason: messageOf(cause) },
      "WebAssembly keccak is not to be had: plain JavaScript is slower",
    );
    checkKeccak256(jsKeccak256);
    return { keccak256: jsKeccak256, keccakName: "js" };
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
