import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { ApiOptions } from "../../api/options.ts";
import { type ChainPreset, chainPreset, chainPresets } from "../../chain/presets.ts";
import type { NodeOptions } from "../../node/index.ts";
import type { Address } from "../../protocol/index.ts";
import { parseUnits } from "../amounts.ts";
import { usage } from "../exitCodes.ts";
import type { Settings } from "./settings.ts";

export const KEYSTORE = "keystore.json";
export const DATABASE = "database";

/** The chain that is configured: a preset, or only an id. */
export function chainOf({ chain }: Settings): {
  readonly chainId: bigint;
  readonly preset: ChainPreset | undefined;
} {
  const names = chainPresets()
    .map(({ name }) => name)
    .join(", ");
  if (chain === undefined) throw usage("no chain is configured", `Set chain.name to ${names} or a chain id.`);
  const preset = chainPreset(chain);
  if (preset !== undefined) return { chainId: preset.chainId, preset };
  if (!/^[1-9][0-9]{0,18}$/.test(chain))
    throw usage(`there is no chain "${chain}"`, `There are ${names}, and ids.`);
  return { chainId: BigInt(chain), preset: undefined };
}

/** What a node is started with. Throws for what is missing, and names it. */
export function nodeOptionsOf(settings: Settings, mnemonic: string, log: Logger): NodeOptions {
  const { chainId, preset } = chainOf(settings);
  const { rpc, escrow, dataDir, maxFee, acceptTokens, proofCopy, announce } = settings;
  if (rpc.length === 0)
    throw usage("no RPC server is configured", "Set chain.rpc to the URL of one, or of several.");
  if (escrow === undefined)
    throw usage("no escrow is configured", "Set chain.escrow to the contract's address.");
  const isDevelopment = preset?.staleAfter === "never";
  return {
    directory: join(dataDir, DATABASE),
    mnemonic,
    rpcUrl: rpc,
    chainId,
    escrow: escrow as Address,
    escrowBlock: settings.escrowBlock,
    listen: settings.listen,
    ...(announce.length > 0 && { announce }),
    confirmations: settings.confirmations ?? preset?.confirmations ?? 12,
    staleAfter: preset?.staleAfter ?? 600,
    ...(maxFee !== undefined && { fees: { ceiling: parseUnits(maxFee, GWEI) } }),
    policy: {
      ...(acceptTokens !== undefined && { tokens: acceptTokens as Address[] }),
      // Development chains travel in time; nobody waits an hour there.
      ...(isDevelopment && { challengePeriod: { least: 1, most: 30 * 24 * 3600 } }),
    },
    ...(isDevelopment && { poll: { least: 100, most: 1_000 } }),
    ...(proofCopy !== undefined && { proofCopy: { directory: proofCopy } }),
    log,
  };
}

const GWEI = { token: "", symbol: "gwei", decimals: 9 };

export async function apiOptionsOf({ api }: Settings): Promise<ApiOptions> {
  const { tlsCert, tlsKey } = api;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw usage("TLS needs both api.tls_cert and api.tls_key");
  }
  const tls =
    tlsCert === undefined
      ? undefined
      : { certificate: await pem("api.tls_cert", tlsCert), key: await pem("api.tls_key", tlsKey!) };
  return {
    host: api.host,
    port: api.port,
    allowRemote: api.allowRemote,
    hosts: api.hosts,
    origins: api.origins,
    metricsPublic: api.metricsPublic,
    ...(tls && { tls }),
  };
}

async function pem(setting: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw usage(
      `the file of ${setting} cannot be read (${code}): ${path}`,
      "Correct the path or its permissions.",
    );
  }
}
