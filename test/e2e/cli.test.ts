import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { BlockingToken } from "../../src/chain/generated/test/tokens/BlockingToken.ts";
import { deployContract } from "../contracts/support/fixture.ts";
import { FUNDS, openWorld, TOKENS, type World } from "../node/support/world.ts";
import { Operator } from "./support/operator.ts";

let world: World;
let root: string;
let alice: Operator;
let bob: Operator;
let channelId: string;

beforeAll(async () => {
  world = await openWorld();
  root = await mkdtemp(join(tmpdir(), "rivulet-cli-"));
  const operator = async (name: string) => new Operator(world, await mkdtemp(join(root, name)));
  [alice, bob] = [await operator("alice"), await operator("bob")];
}, 60_000);

afterAll(async () => {
  await Promise.all([alice?.stop("SIGKILL"), bob?.stop("SIGKILL")]);
  await world?.stop();
  if (root !== undefined) await rm(root, { recursive: true, force: true });
});

async function fund(account: string): Promise<void> {
  await world.chain.provider.send("anvil_setBalance", [account, `0x${FUNDS.toString(16)}`]);
  await (await world.token.mint(account, TOKENS)).wait();
}

describe("an operator's way from nothing to a payment", () => {
  it("makes keys that only the owner may read, once", async () => {
    for (const operator of [alice, bob]) {
      const made = await operator.init();
      expect(made.err + made.out).toContain("account");
      expect(made.code).toBe(0);
      expect((await stat(made.json.keystore)).mode & 0o777).toBe(0o600);
      expect((await stat(join(operator.dir, "words.txt"))).mode & 0o777).toBe(0o600);
      expect((await readFile(join(operator.dir, "words.txt"), "utf8")).trim().split(" ")).toHaveLength(12);
    }
    const again = await alice.init();
    expect(again.code).toBe(1);
    expect(again.err).toContain("there are keys");
  });

  it("writes no words down for keys that cannot be kept, and asks no password where there are no keys", async () => {
    const carol = new Operator(world, await mkdtemp(join(root, "carol")));
    await writeFile(join(carol.dir, "data"), "in the way");
    expect((await carol.init()).code).toBe(1);
    await expect(stat(join(carol.dir, "words.txt"))).rejects.toThrow();
    await rm(join(carol.dir, "data"));
    const data = join(carol.dir, "data");
    expect((await carol.init("--data-dir", relative(process.cwd(), data))).code).toBe(0);
    expect(await readFile(join(carol.dir, "rivulet.toml"), "utf8")).toContain(`data_dir = "${data}"`);
    await rm(data, { recursive: true });
    for (const command of [["start"], ["keys", "show-mnemonic", "--yes"]]) {
      const { code, err } = await carol.with({ RIVULET_PASSWORD: undefined }, ...command);
      expect([code, err]).toEqual([1, expect.stringContaining("there are no keys")]);
    }
  });

  it("starts, funds, opens, pays both ways, by request and by peer, and sees it in every list", async () => {
    const [a, b] = [await alice.start(), await bob.start()];
    for (const { account } of [a, b]) await fund(account);
    expect((await alice.run("status", "--json")).json).toMatchObject({ state: "ready", account: a.account });
    expect((await alice.run("peers", "connect", b.addresses[0]!)).code).toBe(0);
    const token = world.tokenAddress;
    const beyond = await alice.run("open", b.addresses[0]!, `2000000000000 ${token}`, "--yes");
    expect(beyond.code).not.toBe(0);
    expect(beyond.err).toMatch(/the node's account lacks 1[0-9]{12} [A-Z]+\n/);
    const opened = await alice.run(
      "open",
      b.addresses[0]!,
      `1000 ${token}`,
      "--challenge-period",
      "10min",
      "--yes",
      "--json",
    );
    expect(opened.err).toBe("");
    expect(opened.json).toMatchObject({ state: "succeeded", kind: "open" });
    channelId = opened.json.channelId;

    const asked = await bob.run("request", `0.25 ${token}`, "--description", "Two coffees", "--json");
    expect(asked.json.request).toMatch(/^rvt1/);
    const paid = await alice.run("pay", asked.json.request, "--label", "coffee", "--json");
    expect(paid.err).toBe("");
    expect(paid.json.channelId).toBe(channelId);
    const twice = await alice.run("pay", asked.json.request);
    expect(twice.out).toContain("was already paid, nothing more was: 0.25 ");
    const wrong = (await bob.run("request", `9 ${token}`, "--json")).json;
    for (const named of [wrong.request, wrong.paymentHash]) {
      expect((await bob.run("request", "cancel", named, "--json")).json).toMatchObject({
        state: "cancelled",
      });
    }
    expect((await bob.run("request", "cancel", asked.json.request)).code).not.toBe(0);
    const signer = (await bob.run("status", "--json")).json.signer;
    const byPeer = await alice.run("pay", signer, `1.5 ${token}`, "--idempotency-key", "one", "--json");
    expect(await alice.run("pay", signer, `1.5 ${token}`, "--idempotency-key", "one", "--json")).toEqual(
      byPeer,
    );
    expect((await bob.run("pay", channelId.slice(0, 10), `0.5 ${token}`)).out).toContain("paid 0.5");

    const tooMuch = await alice.run("pay", signer, `9999 ${token}`);
    expect(tooMuch.err).toMatch(/\(available 998\.75 \S+, needed 9999 \S+\)\n/);
    const payments = await alice.run("payments", "--json");
    expect(payments.json.items.map((one: { label?: string }) => one.label)).toEqual([
      undefined,
      undefined,
      "coffee",
    ]);
    expect((await bob.run("channels")).out).toContain("1.25 ");
    const stranger = await bob.with({ RIVULET_TOKEN: "rvk_wrong" }, "channels");
    expect([stranger.code, stranger.err]).toEqual([1, expect.stringContaining("--token")]);
    expect((await alice.run("events", "--types", "payment")).out.trim().split("\n")).toHaveLength(3);
    const phase = await alice.run("channels", "--phase", "ajar");
    expect([phase.code, phase.err]).toEqual([2, expect.stringContaining("error: phase: Invalid option")]);
    const missing = await alice.run("verify-statement", "nowhere.json");
    expect([missing.code, missing.err]).toEqual([1, "error: there is no nowhere.json\n"]);
    const steps = (await alice.run("events", "--types", "operation")).out.trim().split("\n");
    expect(steps.filter((line) => / open \S+: running$/.test(line)).length).toBeLessThan(2);
    expect(steps.at(-1)).toMatch(/open \S+: succeeded$/);
    expect((await bob.run("books")).out).toContain("balanced");
  }, 180_000);

  it("writes a statement that anybody can check, and finds out a changed one", async () => {
    const file = join(root, "statement.json");
    expect((await alice.run("export", "--out", file)).code).toBe(0);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const stranger = new Operator(world, await mkdtemp(join(root, "stranger")));
    const rpc = world.chain.provider._getConnection().url;
    const good = await stranger.run("verify-statement", file, "--chain-rpc", rpc, "--json");
    expect(good.json).toMatchObject({ valid: true, payments: 3, chainChecked: true });
    await writeFile(file, (await readFile(file, "utf8")).replace('"amount":"1500000', '"amount":"2500000'));
    const bad = await stranger.run("verify-statement", file);
    expect(bad.out).toContain("NOT VALID");
    expect(bad.code).toBe(5);
  });

  it("bounds what a program may spend with a token of its own", async () => {
    const { tokenAddress } = world;
    const made = await alice.run(
      "token",
      "create",
      "--name",
      "till",
      "--scope",
      "pay",
      "--budget",
      `1 ${tokenAddress} total`,
      "--json",
    );
    const till = { RIVULET_TOKEN: made.json.secret as string };
    const request = async (amount: string) =>
      (await bob.run("request", `${amount} ${tokenAddress}`, "--json")).json.request;
    const client = {
      url: JSON.parse(await readFile(join(alice.dir, "data", "daemon.json"), "utf8")).url as string,
    };
    const pay = async (amount: string) =>
      fetch(`${client.url}/v1/payments`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${till.RIVULET_TOKEN}`,
          "content-type": "application/json",
          "idempotency-key": crypto.randomUUID(),
        },
        body: JSON.stringify({ request: await request(amount) }),
      });
    expect((await pay("0.75")).status).toBe(200);
    expect((await pay("0.5")).status).toBe(403);
    const listed = (await alice.run("token", "list")).out;
    expect(listed).toMatch(/till .* 1 \S+ total, 0\.25 \S+ left\n/);
    expect((await alice.with(till, "status")).code).toBe(1);
    expect((await alice.run("freeze", "a test")).code).toBe(0);
    expect((await pay("0.1")).status).toBe(403);
    expect((await alice.run("doctor")).out).toContain("frozen");
    const refused = await alice.run("pay", channelId, `0.1 ${world.tokenAddress}`);
    expect([refused.code, refused.err.match(/Spending is frozen/g)]).toEqual([1, ["Spending is frozen"]]);
    expect((await alice.run("unfreeze")).code).toBe(0);
    expect((await pay("0.1")).status).toBe(200);
  });

  it("waits for a request that can be paid for a month, until it is paid", async () => {
    const waiting = bob.run("request", `0.1 ${world.tokenAddress}`, "--expires", "30d", "--wait", "--json");
    const { url } = JSON.parse(await readFile(join(bob.dir, "data", "daemon.json"), "utf8"));
    const secret = (await readFile(join(bob.dir, "data", "admin.token"), "utf8")).trim();
    const open = async () => {
      const query = `${url}/v1/requests?state=open&limit=1`;
      const response = await fetch(query, { headers: { authorization: `Bearer ${secret}` } });
      const { items } = (await response.json()) as { items: { expiresAt: number; request: string }[] };
      return items.find(({ expiresAt }) => expiresAt > Date.now() / 1000 + 2_000_000);
    };
    await vi.waitUntil(open, { timeout: 20_000 });
    const { request } = (await open())!;
    expect((await alice.run("pay", request)).code).toBe(0);
    const waited = await waiting;
    expect(waited.json).toMatchObject({ state: "paid", request });
    expect(waited.err).toBe("");
  }, 60_000);

  it("stops in order, goes on after a restart, and closes", async () => {
    expect(await alice.stop()).toBe(0);
    expect((await alice.run("status")).code).toBe(3);
    await alice.start();
    const second = await alice.run("start", "--json");
    expect(second.code).toBe(1);
    expect(second.err).toContain("Another node runs over this data directory");
    await vi.waitUntil(
      async () => (await alice.run("channels", "--json")).json?.items[0]?.connected === true,
      {
        timeout: 30_000,
        interval: 500,
      },
    );
    const deposited = await alice.run("deposit", channelId, `1 ${world.tokenAddress}`, "--yes");
    expect((deposited.out + deposited.err).match(/succeeded/g)).toEqual(["succeeded"]);
    const [both, alone] = [
      await alice.run("close", channelId),
      await alice.run("close", channelId, "--unilateral"),
    ];
    expect([both.code, both.err]).toEqual([2, expect.stringMatching(/gas \d+ \(close\) at /)]);
    expect([alone.code, alone.err]).toEqual([2, expect.stringMatching(/gas \d+ \(startClose, settle\) at /)]);
    const closed = await alice.run("close", channelId, "--yes", "--json");
    expect(closed.err).toBe("");
    expect(closed.json.channel.phase).toBe("settled");
    const [list, one] = [await alice.run("channels"), await alice.run("channels", channelId)];
    expect(list.out).toMatch(/ settled$/m);
    expect(one.out).not.toContain("can receive");
    expect((await alice.run("events", "--types", "dispute")).out).toBe("");
    expect(alice.log).not.toContain("correct horse");
  }, 90_000);

  it("sends money out, after having shown what it costs, and once for one key", async () => {
    const to = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    const order = ["send", "0.5 ETH", "--to", to, "--idempotency-key", "rent", "--json", "--yes"];
    const asked = await bob.run("send", "0.5 ETH", "--to", to);
    expect([asked.code, asked.err]).toEqual([2, expect.stringMatching(/gas 21\d{3} \(send\) at .* about/)]);
    const [first, again] = [await bob.run(...order), await bob.run(...order)];
    expect(first.err).toBe("");
    expect(first.json).toMatchObject({ kind: "send", state: "succeeded", amount: `${5n * 10n ** 17n}` });
    expect(again.json).toEqual(first.json);
    const mistyped = await bob.run("send", "0.5 ETH", "--to", to.replace("5aA", "5aa"), "--yes");
    expect([mistyped.code, mistyped.err]).toEqual([2, expect.stringContaining("mistyped")]);
    const all = await bob.run("send", "all ETH", "--to", to, "--yes");
    expect(all.out).toMatch(/^sent [0-9.]+ ETH: 0x[0-9a-f]{64}; gas 21\d{3}: [0-9.]+ ETH$/m);
    expect(all.err).toContain("Send everything, now ");
  }, 60_000);

  it("is backed up and restored on another machine", async () => {
    const file = join(root, "node.backup");
    const password = { RIVULET_BACKUP_PASSWORD: "another password" };
    const nobody = await bob.run("backup", "--out", file);
    expect([nobody.code, nobody.err]).toEqual([2, expect.stringContaining("RIVULET_BACKUP_PASSWORD")]);
    const tooShort = await bob.with({ RIVULET_BACKUP_PASSWORD: "short" }, "backup", "--out", file);
    expect([tooShort.code, tooShort.err]).toEqual([2, expect.stringContaining("8 or more characters")]);
    const stolen = await bob.with({ ...password, RIVULET_PASSWORD: "guessed" }, "backup", "--out", file);
    expect([stolen.code, stolen.err]).toEqual([1, expect.stringContaining("not the keystore's password")]);
    const url = { ...password, RIVULET_URL: "http://node.example" };
    expect((await bob.with(url, "backup", "--out", file)).err).toContain("in the clear");
    expect((await bob.with(password, "backup", "--out", file)).err).toBe("");
    const machine = new Operator(world, await mkdtemp(join(root, "machine")));
    expect((await machine.with(password, "restore", file)).err).toContain("--old-node-is-gone");
    const restored = await machine.with(password, "restore", file, "--old-node-is-gone", "--json");
    expect(restored.err).toBe("");
    expect(restored.json.channels).toHaveLength(1);
    expect((await machine.run("keys", "--json")).json).toEqual((await bob.run("keys", "--json")).json);
    const config = join(machine.dir, "rivulet.toml");
    expect(restored.json.configFile).toBe(config);
    const written = await readFile(config, "utf8");
    expect(written).toContain(`data_dir = "${join(machine.dir, "data")}"`);
    expect(written).toContain(world.escrowAddress);
    expect(((await stat(config)).mode & 0o777).toString(8)).toBe("600");
  }, 180_000);

  it("is restored beside settings that are there, which are left as they are", async () => {
    const file = join(root, "node.backup");
    const machine = new Operator(world, await mkdtemp(join(root, "machine")));
    const own = "# mine\n";
    await writeFile(join(machine.dir, "rivulet.toml"), own);
    const password = { RIVULET_BACKUP_PASSWORD: "another password" };
    const restored = await machine.with(password, "restore", file, "--old-node-is-gone");
    expect(restored.out).toContain("is left as it is");
    expect(await readFile(join(machine.dir, "rivulet.toml"), "utf8")).toBe(own);
    expect(await readFile(join(machine.dir, "data", "restored.toml"), "utf8")).toContain(world.escrowAddress);
  }, 60_000);

  it("has nobody's password sent to where no node runs", async () => {
    const ran = await bob.with({ RIVULET_DATA_DIR: join(root, "nothing") }, "backup", "--out", "never");
    expect([ran.code, ran.err]).toEqual([3, expect.stringContaining("no node runs over")]);
  });
});

describe("money that a token refuses", () => {
  it("shows a payout that its token refused, and fetches it to another address", async () => {
    const operator = async (name: string) => new Operator(world, await mkdtemp(join(root, name)));
    const [dave, erin] = [await operator("dave"), await operator("erin")];
    const blocking = (await deployContract(world.chain.account(0), "BlockingToken")) as BlockingToken;
    const token = (await blocking.getAddress()).toLowerCase();
    for (const one of [dave, erin]) {
      expect((await one.init()).code).toBe(0);
    }
    const [{ account }, peer] = [await dave.start(), await erin.start()];
    await fund(account);
    await (await blocking.mint(account, TOKENS)).wait();
    const opened = await dave.run("open", peer.addresses[0]!, `0.001 ${token}`, "--yes", "--json");
    expect(opened.err).toBe("");
    await (await blocking.setBlocked(account, true)).wait();
    const closed = await dave.run("close", opened.json.channelId, "--yes", "--json");
    expect(closed.err).toBe("");
    await vi.waitUntil(async () => (await dave.run("status")).out.includes("REFUSED: the escrow keeps"), {
      timeout: 20_000,
      interval: 500,
    });
    expect((await dave.run("doctor")).out).toContain("WARN  payout: the escrow keeps");
    const refused = await dave.run("withdraw-payout", token, "--yes");
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("refuses the payout again")]);
    const to = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    const asked = await dave.run("withdraw-payout", token, "--to", to);
    expect([asked.code, asked.err]).toEqual([
      2,
      expect.stringMatching(/gas \d+ \(withdrawPayout\) at .* about/),
    ]);
    const done = await dave.run("withdraw-payout", token, "--to", to, "--yes");
    expect(done.out).toMatch(/^fetched .*: 0x[0-9a-f]{64}; gas \d+: [0-9.]+ ETH$/m);
    expect(await blocking.balanceOf(to)).toBeGreaterThan(0n);
    await Promise.all([dave.stop(), erin.stop()]);
  }, 180_000);
});

describe("a command typed wrong", () => {
  it.each([
    [["pay"], "missing required argument"],
    [["open", "/ip4/1.2.3.4/tcp/1/p2p/x", "12..5 ETH"], "is no amount"],
    [["open", "/ip4/1.2.3.4/tcp/1/p2p/x", "1 NOSUCH"], "no token is known"],
    [["payments", "--from", "yesterday"], "is no date"],
    [["payments", "--limit", "abc"], "error: limit: Invalid input: expected number"],
    [
      ["payments", "--direction", "up"],
      'error: direction: Invalid option: expected one of "sent"|"received"',
    ],
    [["limits", "set", "--on-limit", "sometimes"], 'expected one of "refuse"|"hold"|"freeze"'],
    [["--chain-escrow", "0x12", "status"], "--chain-escrow"],
    [["nonsense"], "unknown command"],
  ])("%j is refused with the way to do it right", async (args, said) => {
    const ran = await bob.run(...args);
    expect(ran.err).toContain(said);
    expect(ran.code).toBe(2);
  });

  it("is told to programs as JSON, even where it cannot be parsed, and a failed start by its own code", async () => {
    for (const args of [["pay"], ["nonsense"], ["status", "--nonsense"]]) {
      const { code, out, err } = await bob.run(...args, "--json");
      expect([code, out]).toEqual([2, ""]);
      expect(JSON.parse(err).error).toMatchObject({ code: "usage", moneyAtStake: false });
    }
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const machine = new Operator(world, await mkdtemp(join(root, "taken")));
    await machine.init();
    const { code, err } = await machine.run("start", "--json", "--api-port", String(port));
    taken.close();
    expect(code).toBe(1);
    expect(JSON.parse(err.trim().split("\n").at(-1)!).error.code).toBe("address_in_use");
  }, 120_000);

  it("does not hide that the node which runs is of another version", async () => {
    const other = createHttp((request, response) => {
      const isNode = request.url === "/v1/node";
      response.writeHead(isNode ? 200 : 404, { "content-type": "application/json" });
      response.end(JSON.stringify(isNode ? { version: "0.0.1" } : { code: "route_unknown", title: "none" }));
    }).listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const { out } = await bob.run("doctor", "--url", `http://127.0.0.1:${port}`, "--token", "rvk_x");
    other.close();
    expect(out).toMatch(/node: version 0\.0\.1 runs, this command is \S+\n.*rivulet stop/);
    expect(out).not.toContain("RIVULET_TOKEN");
  });

  it("in the configuration is named with its place", async () => {
    const file = join(root, "bad.toml");
    await writeFile(file, "[api]\nprot = 1\n");
    const ran = await bob.run("config", "--config", file);
    expect(ran.err).toContain('there is no setting "api.prot"');
    expect(ran.code).toBe(2);
  });

  it("never shows what an RPC URL may hold", async () => {
    const ran = await bob.run("config", "--json", "--chain-rpc", "https://host.example/v2/topsecret");
    expect(ran.out).toContain("host.example");
    expect(ran.out).not.toContain("topsecret");
  });
});
