import { homedir } from "node:os";
import { join } from "node:path";
import envPaths from "env-paths";
import { z } from "zod";
import { failureOf } from "../../chain/error.ts";
import { namedUrls } from "../../chain/rpcUrl.ts";
import { SPAN } from "../when.ts";

/** Where things lie when nothing else is said: the XDG directories, or what the platform has instead. */
const PATHS = envPaths("rivulet", { suffix: "" });
export const DEFAULT_CONFIG_FILE = join(PATHS.config, "rivulet.toml");
export const DEFAULT_DATA_DIR = PATHS.data;

/** One thing that can be set: by flag, environment, file or default, in this order. */
export interface Setting {
  /** As in the file: table and name. */
  readonly key: string;
  readonly schema: z.ZodType;
  readonly help: string;
  /** May hold a secret: never shown. */
  readonly secret?: true;
}

const text = z.string().min(1);
const flag = z.stringbool().or(z.boolean());
const whole = numberOf("a whole number, for example 12").nonnegative("0 or more");
const portText = "a port: a whole number from 0 to 65535";
const port = numberOf(portText).min(0, portText).max(65_535, portText);
const list = z.union([z.array(text), text.transform((value) => value.split(",").map((part) => part.trim()))]);
/** Each a URL that a server can be asked under; what is said about one that is none does not show it. */
const servers = list.superRefine((urls, context) => {
  try {
    if (urls.length > 0) namedUrls(urls);
  } catch (error) {
    const failure = failureOf(error);
    if (failure?.code !== "rpc_url_invalid") throw error;
    const place = urls.length > 1 ? `number ${failure.endpoint} is ` : "";
    context.addIssue({ code: "custom", message: `${place}${failure.reason}` });
  }
});
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, "an address: 0x and 40 hex digits")
  .transform((value) => value.toLowerCase());
const path = text.transform((value) => value.replace(/^~(?=\/|$)/, homedir()));
const span = z.string().trim().regex(SPAN, "a span of time, for example 90s, 15min, 12h, 30d or 2w");
const gwei = z.coerce.string().regex(/^(0|[1-9][0-9]*)(\.[0-9]{1,9})?$/, "gwei, for example 50 or 0.25");

export const SETTINGS = {
  dataDir: {
    key: "data_dir",
    schema: path.default(DEFAULT_DATA_DIR),
    help: "keystore, database, access token",
  },
  passwordFile: {
    key: "password_file",
    schema: path.optional(),
    help: "file with the keystore's password (or RIVULET_PASSWORD)",
  },
  chain: { key: "chain.name", schema: text.optional(), help: "a preset's name, or a chain id" },
  rpc: {
    key: "chain.rpc",
    schema: servers.default([]),
    help: "RPC servers, the preferred first",
    secret: true,
  },
  escrow: { key: "chain.escrow", schema: address.optional(), help: "the escrow contract" },
  escrowBlock: { key: "chain.escrow_block", schema: whole.default(0), help: "the block it was deployed in" },
  confirmations: {
    key: "chain.confirmations",
    schema: whole.optional(),
    help: "blocks until a deposit counts",
  },
  maxFee: { key: "chain.max_fee", schema: gwei.optional(), help: "most to pay for gas that can wait, gwei" },
  listen: {
    key: "peers.listen",
    schema: list.default(["/ip4/0.0.0.0/tcp/9740", "/ip4/0.0.0.0/tcp/9741/ws"]),
    help: "multiaddrs for peers",
  },
  announce: {
    key: "peers.announce",
    schema: list.default([]),
    help: "multiaddrs to tell others, behind a NAT",
  },
  peersTlsCert: {
    key: "peers.tls_cert",
    schema: path.optional(),
    help: "certificate chain for /tls/ws addresses, PEM",
  },
  peersTlsKey: { key: "peers.tls_key", schema: path.optional(), help: "its key, PEM" },
  acceptTokens: {
    key: "peers.tokens",
    schema: list.pipe(z.array(address)).optional(),
    help: "tokens others may open channels in",
  },
  leastChallengePeriod: {
    key: "peers.least_challenge_period",
    schema: span.optional(),
    help: "shortest challenge period of channels others may open",
  },
  mostChallengePeriod: {
    key: "peers.most_challenge_period",
    schema: span.optional(),
    help: "longest challenge period of channels others may open",
  },
  matchDeposits: {
    key: "peers.match_deposits",
    schema: list.default([]),
    help: "most to deposit where a peer that opens a channel asks for it, by token",
  },
  proofCopy: { key: "proof_copy", schema: path.optional(), help: "second place for incoming proofs" },
  apiHost: { key: "api.host", schema: text.default("127.0.0.1"), help: "where the API listens" },
  apiPort: { key: "api.port", schema: port.default(9742), help: "0: the system chooses" },
  apiTlsCert: { key: "api.tls_cert", schema: path.optional(), help: "certificate chain, PEM" },
  apiTlsKey: { key: "api.tls_key", schema: path.optional(), help: "key, PEM" },
  apiAllowRemote: {
    key: "api.allow_remote",
    schema: flag.default(false),
    help: "listen beyond this machine without TLS",
  },
  apiHosts: { key: "api.hosts", schema: list.default([]), help: "names clients use for this node" },
  apiOrigins: { key: "api.origins", schema: list.default([]), help: "web pages that may call" },
  metricsPublic: { key: "api.metrics_public", schema: flag.default(false), help: "/metrics without a token" },
  logLevel: {
    key: "log.level",
    schema: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
    help: "least severe that is logged",
  },
  logFormat: {
    key: "log.format",
    schema: z.enum(["auto", "json", "pretty"]).default("auto"),
    help: "auto: pretty on a terminal",
  },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof SETTINGS;
export type SettingValues = { readonly [Name in SettingName]: z.output<(typeof SETTINGS)[Name]["schema"]> };

/** Settings as commands use them. */
export interface Settings extends Omit<SettingValues, `api${string}` | "metricsPublic"> {
  readonly api: {
    readonly host: string;
    readonly port: number;
    readonly tlsCert: string | undefined;
    readonly tlsKey: string | undefined;
    readonly allowRemote: boolean;
    readonly hosts: readonly string[];
    readonly origins: readonly string[];
    readonly metricsPublic: boolean;
  };
}

function numberOf(what: string) {
  return z.coerce.number({ error: what }).int({ error: what });
}

/** `chain.rpc` → `RIVULET_CHAIN_RPC`. */
export function variableOf(key: string): string {
  return `RIVULET_${key.replaceAll(".", "_").toUpperCase()}`;
}

/** `chain.escrow_block` → `chain-escrow-block`. */
export function flagOf(key: string): string {
  return key.replace(/[._]/g, "-");
}
