import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { ApiOptions } from "../../api/options.ts";
import { feePolicyOf } from "../../chain/fees.ts";
import { type ChainPreset, chainPreset, chainPresets } from "../../chain/presets.ts";
import type { NodeOptions, OpenPolicy } from "../../node/index.ts";
import { DEFAULT_CHALLENGE_PERIODS } from "../../node/options.ts";
import { type Address, MAX_CHALLENGE_PERIOD, ZERO_ADDRESS } from "../../protocol/index.ts";
import { formatUnits, parseUnits, splitAmount } from "../amounts.ts";
import { usage } from "../exitCodes.ts";
import { spanText } from "../text.ts";
import { parseSpan } from "../when.ts";
import type { SettingName, Settings } from "./settings.ts";

export const KEYSTORE = "keystore.json";
export const DATABASE = "database";

const CHAIN_ID = /^[1-9][0-9]{0,18}$/;

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
  if (!CHAIN_ID.test(chain)) throw usage(`there is no chain "${chain}"`, `There are ${names}, and ids.`);
  return { chainId: BigInt(chain), preset: undefined };
}

/** What a node is started with. Throws for what is missing, and names it. */
export function nodeOptionsOf(settings: Settings, mnemonic: string, log: Logger): NodeOptions {
  const { chainId, preset } = chainOf(settings);
  const { rpc, escrow, dataDir, maxFee, proofCopy, announce } = settings;
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
    confirmations: settings.confirmations ?? confirmationsOf(preset),
    staleAfter: preset?.staleAfter ?? 600,
    ...(maxFee !== undefined && { fees: { ceiling: parseUnits(maxFee, GWEI) } }),
    policy: policyOf(settings, preset),
    ...(isDevelopment && { poll: { least: 100, most: 1_000 } }),
    ...(proofCopy !== undefined && { proofCopy: { directory: proofCopy } }),
    log,
  };
}

function confirmationsOf(preset: ChainPreset | undefined): number {
  return preset?.confirmations ?? 12;
}

/** What settings that nobody gave come to, where that follows from the chain; nothing while there is none. */
export function ofChain(settings: Settings): Partial<Record<SettingName, number | string>> {
  if (settings.chain === undefined) return {};
  const preset = chainPreset(settings.chain);
  // A mistyped name is the start's to refuse: whoever looks at the settings is to see it.
  if (preset === undefined && !CHAIN_ID.test(settings.chain)) return {};
  const spans = ownPeriods(preset);
  return {
    confirmations: confirmationsOf(preset),
    maxFee: formatUnits(feePolicyOf().ceiling, GWEI.decimals),
    leastChallengePeriod: spanText(spans.least),
    mostChallengePeriod: spanText(spans.most),
  };
}

/** Seconds. Development chains travel in time; nobody waits an hour there. */
function ownPeriods(preset: ChainPreset | undefined): { readonly least: number; readonly most: number } {
  const { least, most } = DEFAULT_CHALLENGE_PERIODS;
  return { least: preset?.staleAfter === "never" ? 1 : least, most };
}

/** What of others' channels is taken. */
function policyOf(settings: Settings, preset: ChainPreset | undefined): OpenPolicy {
  const { acceptTokens, matchDeposits, leastChallengePeriod, mostChallengePeriod } = settings;
  const own = ownPeriods(preset);
  const least = leastChallengePeriod === undefined ? own.least : parseSpan(leastChallengePeriod);
  const most = mostChallengePeriod === undefined ? own.most : parseSpan(mostChallengePeriod);
  if (most > MAX_CHALLENGE_PERIOD)
    throw usage("peers.most_challenge_period is above 30d", "The escrow allows 30d.");
  if (least > most) throw usage("peers.least_challenge_period is above peers.most_challenge_period");
  return {
    ...(acceptTokens !== undefined && { tokens: acceptTokens as Address[] }),
    challengePeriod: { least, most },
    mostMatchingDeposit: Object.fromEntries(matchDeposits.map((text) => matchOf(text, preset))),
  };
}

/** No node runs yet that could ask a contract for its decimals: only the chain's own names have any. */
function matchOf(text: string, preset: ChainPreset | undefined): [Address, bigint] {
  const { number, symbol } = splitAmount(text);
  if (symbol === undefined) throw usage(`peers.match_deposits: which token is "${text}" in?`);
  const address = symbol.toLowerCase();
  if (/^0x[0-9a-f]{40}$/.test(address)) {
    return [address as Address, parseUnits(number, { token: address, symbol: "base units", decimals: 0 })];
  }
  const native = { symbol: preset?.nativeSymbol ?? "ETH", address: ZERO_ADDRESS, decimals: 18 };
  const units = [native, ...(preset?.tokens ?? [])];
  const unit = units.find((one) => one.symbol.toUpperCase() === symbol.toUpperCase());
  if (unit === undefined) {
    throw usage(
      `peers.match_deposits: no token is known as "${symbol}"`,
      `Known on this chain: ${units.map((one) => one.symbol).join(", ")}. Others are named by address, with a whole number of base units.`,
    );
  }
  const token = unit.address.toLowerCase() as Address;
  return [token, parseUnits(number, { token, symbol: unit.symbol, decimals: unit.decimals })];
}

const GWEI = { token: "", symbol: "gwei", decimals: 9 };

export async function apiOptionsOf({ api }: Settings): Promise<ApiOptions> {
  const tls = await tlsOf("api", api.tlsCert, api.tlsKey);
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

/** What peers' WebSockets are encrypted with. */
export async function peerTlsOf({
  peersTlsCert,
  peersTlsKey,
}: Settings): Promise<Pick<NodeOptions, "peerTls">> {
  const peerTls = await tlsOf("peers", peersTlsCert, peersTlsKey);
  return peerTls === undefined ? {} : { peerTls };
}

async function tlsOf(table: string, certificate: string | undefined, key: string | undefined) {
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined)
    throw usage(`TLS needs both ${table}.tls_cert and ${table}.tls_key`);
  return {
    certificate: await pem(`${table}.tls_cert`, certificate),
    key: await pem(`${table}.tls_key`, key),
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
