import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Daemon, startDaemon } from "../../../src/api/daemon.ts";
import type { ApiOptions } from "../../../src/api/options.ts";
import type { Problem } from "../../../src/api/schema/problem.ts";
import { generateMnemonic, readKeystore, writeKeystore } from "../../../src/crypto/index.ts";
import type { NodeOptions } from "../../../src/node/index.ts";
import { openWorld, TOKENS, type World } from "../../node/support/world.ts";

/** A daemon that a test can stop and start again over the same directory. */
export interface TestDaemon {
  readonly options: NodeOptions;
  daemon: Daemon;
  call(path: string, options?: CallOptions): Promise<Called>;
  restart(changed?: ApiOptions): Promise<void>;
}

export interface CallOptions {
  readonly method?: string;
  readonly body?: unknown;
  readonly key?: string;
  readonly token?: string;
}

export interface Called {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever a route answers
  readonly body: any;
  readonly problem: Problem;
}

export interface DaemonWorld extends World {
  daemon(api?: ApiOptions, node?: Partial<NodeOptions>): Promise<TestDaemon>;
  /** Options of a node that no daemon runs yet, with money on its account. */
  options(node?: Partial<NodeOptions>): Promise<NodeOptions>;
  fund(account: string): Promise<void>;
}

const FUNDS = 10n ** 20n;

/** Of every daemon's keystore, which lies beside its database. */
export const KEYSTORE_PASSWORD = "keystore horse";

/** A real chain with escrow and token, and as many real daemons as asked for. */
export async function openDaemons(): Promise<DaemonWorld> {
  const world = await openWorld();
  // Its directory goes with the world; the database lies beside the access token.
  const { options: first } = await world.node();
  const root = join(first.directory, "..");
  const started: TestDaemon[] = [];
  let made = 0;
  const options = async (overrides: Partial<NodeOptions> = {}): Promise<NodeOptions> => ({
    ...first,
    directory: join(root, `daemon${made++}`, "database"),
    mnemonic: generateMnemonic(),
    ...overrides,
  });
  const fund = async (account: string) => {
    await world.chain.provider.send("anvil_setBalance", [account, `0x${FUNDS.toString(16)}`]);
    await (await world.token.mint(account, TOKENS)).wait();
  };
  const daemon = async (api: ApiOptions = {}, overrides: Partial<NodeOptions> = {}): Promise<TestDaemon> => {
    const node = await options(overrides);
    const keystore = join(node.directory, "..", "keystore.json");
    await mkdir(dirname(keystore), { recursive: true });
    await writeKeystore(keystore, node.mnemonic, KEYSTORE_PASSWORD, { scryptN: 2 ** 10 });
    const openKeystore = async (password: string) => (await readKeystore(keystore, password)).mnemonic;
    const start = (changed: ApiOptions = {}) =>
      startDaemon({
        node,
        api: { port: 0, ...api, ...changed },
        version: "1.2.3",
        backup: { openKeystore, config: 'data_dir = "/old"\n' },
      });
    const handle: TestDaemon = {
      options: node,
      daemon: await start(),
      call: (path, request) => callDaemon(handle.daemon, path, request),
      restart: async (changed) => {
        await handle.daemon.stop();
        handle.daemon = await start(changed);
      },
    };
    await fund(handle.daemon.node.account);
    started.push(handle);
    return handle;
  };
  const stop = async () => {
    await Promise.all(started.map((handle) => handle.daemon.stop().catch(() => {})));
    await world.stop();
  };
  return { ...world, daemon, options, fund, stop };
}

export async function callDaemon(
  { url, adminToken }: Pick<Daemon, "url" | "adminToken">,
  path: string,
  { method, body, key, token = adminToken }: CallOptions = {},
): Promise<Called> {
  const response = await fetch(`${url}${path}`, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(key !== undefined && { "idempotency-key": key }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  const told = isJson && text !== "" ? JSON.parse(text) : text;
  return { status: response.status, body: told, problem: told };
}

/** Asks until `done`, as long as the test may take. */
export async function until<Value>(
  ask: () => Promise<Value>,
  done: (value: Value) => boolean,
): Promise<Value> {
  for (;;) {
    const value = await ask();
    if (done(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Opens a channel between two daemons through the API, funded by both, and waits until it can pay. */
export async function openThroughApi(
  a: TestDaemon,
  b: TestDaemon,
  { token, deposit, key = crypto.randomUUID() }: { token: string; deposit: bigint; key?: string },
): Promise<string> {
  const body = {
    peer: b.daemon.node.addresses[0]!,
    token,
    deposit: `${deposit}`,
    requestDeposit: `${deposit}`,
    challengePeriod: 600,
  };
  const begun = await a.call("/v1/channels", { body, key });
  if (begun.status !== 202) throw new Error(JSON.stringify(begun.body));
  const { channelId } = await finished(a, begun.body.operationId);
  await until(
    () => b.call(`/v1/channels/${channelId}`),
    ({ body: channel }) => channel.phase === "open" && channel.connected,
  );
  return channelId;
}

/** Waits until an operation is over, and resolves with it if it succeeded. */
// biome-ignore lint/suspicious/noExplicitAny: an operation
export async function finished(daemon: TestDaemon, operationId: string): Promise<any> {
  const { body } = await until(
    () => daemon.call(`/v1/operations/${operationId}`),
    ({ body: operation }) => operation.state !== "running",
  );
  if (body.state !== "succeeded") throw new Error(JSON.stringify(body));
  return body;
}
