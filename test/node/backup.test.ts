import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyName } from "../../src/node/backup/proofCopyFile.ts";
import { restoreBackup, restoreFromMnemonic } from "../../src/node/backup/restore.ts";
import type { RecoveredChannel } from "../../src/node/index.ts";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { collect } from "./support/collect.ts";
import { openBoth, openWorld, type TestNode, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;
/** What is waited for comes, however busy the machine is: the test's own time is the bound. */
const EVENT = { timeout: 100_000 };
const PASSWORD = "correct horse";

let world: World;
let root: string;

beforeAll(async () => {
  world = await openWorld();
  root = await mkdtemp(join(tmpdir(), "rivulet-backup-"));
}, 60_000);

afterAll(async () => {
  await world?.stop();
  await rm(root, { recursive: true, force: true });
});

async function backupOf(node: TestNode): Promise<Buffer> {
  return Buffer.concat(
    await collect(node.node.backup.stream({ password: PASSWORD, config: "chain = 31337" })),
  );
}

async function* pieces(bytes: Buffer, size = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

let targets = 0;
const target = () => join(root, `restored${targets++}`);

/** Lets what the lost node may have signed lapse, and meets the peer again. */
async function meet(node: TestNode, peer: TestNode): Promise<void> {
  await expect.poll(() => node.warnings, EVENT).toContain("database_lost_data");
  await world.pass(3_700);
  await expect.poll(() => node.node.addresses.length, EVENT).toBeGreaterThan(0);
  await node.node.connect(peer.node.addresses[0]!);
}

describe("a node whose disk is gone", () => {
  it("gets back from its backup and its peer what was paid either way, and pays nothing twice", async () => {
    const [alice, bob] = [await world.node(), await world.node()];
    const { channelId } = await openBoth(alice, bob, DEPOSIT);
    const paidBefore = await bob.node.requests.make({ token: ZERO_ADDRESS, amount: 40n });
    await alice.node.requests.pay(undefined, paidBefore.request);
    const open = await alice.node.requests.make({ token: ZERO_ADDRESS, amount: 9n, expiresIn: 86_400 });
    const file = await backupOf(alice);

    // After the backup: payments both ways, a request of each side's paid, a channel opened.
    const paidAfter = await bob.node.requests.make({ token: ZERO_ADDRESS, amount: 7n, expiresIn: 86_400 });
    await alice.node.requests.pay(undefined, paidAfter.request);
    await bob.node.requests.pay(undefined, open.request);
    const second = await openBoth(alice, bob, DEPOSIT);
    await bob.node.pay({ channelId: second.channelId, amount: 3n });
    await alice.node.stop();

    const directory = target();
    const report = await restoreBackup({
      file: pieces(file),
      password: PASSWORD,
      directory,
      oldNodeIsGone: true,
    });
    expect(report).toMatchObject({
      config: "chain = 31337",
      mnemonic: alice.options.mnemonic,
      account: alice.node.account,
      unusedCopies: [],
    });
    expect(report.unknown.map(({ code }) => code)).toContain("payments_since");
    expect(report.channels).toMatchObject([
      { channelId, sent: 40n, received: 0n, proof: "backup", atRisk: DEPOSIT + 40n, peer: bob.node.signer },
    ]);

    await alice.restart({}, { directory });
    const signing = alice.node.pay({ channelId, amount: 1n, signal: AbortSignal.timeout(300) });
    await expect(signing).rejects.toThrow();
    await meet(alice, bob);
    await alice.node.ready(channelId);
    await alice.node.ready(second.channelId);
    await expect.poll(async () => (await alice.node.channel(channelId)).received, EVENT).toBe(9n);
    expect((await alice.node.channel(channelId)).sent).toBe(47n);
    await expect.poll(async () => (await alice.node.channel(second.channelId)).received, EVENT).toBe(3n);

    // Nothing new is spent before somebody has looked at the access tokens of old.
    expect(alice.node.spending.frozen?.reason).toContain("restored");
    // The payment that came again pays the request it paid before; what was paid is not paid again.
    expect((await alice.node.requests.get(open.paymentHash)).state).toBe("paid");
    for (const { request } of [paidBefore, paidAfter]) await alice.node.requests.pay(undefined, request);
    expect((await bob.node.channel(channelId)).received).toBe(47n);
    await expect.poll(async () => (await alice.node.backup.recovery())?.complete, EVENT).toBe(true);
    expect(await alice.node.backup.recovery()).toMatchObject({
      channels: expect.toSatisfy((channels: RecoveredChannel[]) => channels.length === 2),
    });
    const recovered = (await alice.node.backup.recovery())!.channels;
    expect(recovered.find((one) => one.channelId === channelId)).toMatchObject({
      shown: true,
      recovered: { sent: 7n, received: 9n },
    });
    expect(recovered.find((one) => one.channelId === second.channelId)).toMatchObject({
      shown: true,
      provenThrough: 0,
      recovered: { received: 3n },
    });
    const closed = await alice.node.close(channelId);
    expect(closed.paidOut).toEqual([DEPOSIT - 47n + 9n, DEPOSIT + 47n - 9n]);
  }, 120_000);

  it("keeps by the copies in the second place what a peer that went away had paid", async () => {
    const proofCopy = { directory: join(root, "copies") };
    const [alice, bob] = [await world.node({ proofCopy }), await world.node()];
    const { channelId } = await openBoth(alice, bob, DEPOSIT);
    await bob.node.pay({ channelId, amount: 5n });
    const file = await backupOf(alice);
    await bob.node.pay({ channelId, amount: 60n });
    const second = await openBoth(alice, bob, DEPOSIT);
    await bob.node.pay({ channelId: second.channelId, amount: 8n });
    await alice.node.stop();
    await bob.node.stop();
    const names = await readdir(proofCopy.directory);
    expect(names.filter((name) => name.endsWith(".proof"))).toHaveLength(2);
    await writeFile(join(proofCopy.directory, `${"0".repeat(64)}.proof`), "none");

    const directory = target();
    const copies = { proofCopy: proofCopy.directory, oldNodeIsGone: true };
    const report = await restoreBackup({ file: pieces(file), password: PASSWORD, directory, ...copies });
    expect(report.channels.map(({ received, proof }) => [received, proof])).toEqual([
      [65n, "copy"],
      [8n, "copy"],
    ]);
    expect(report.unusedCopies).toHaveLength(1);
    await alice.restart({}, { directory, proofCopy: undefined });
    // Bob never comes back: the chain pays by his own newest proofs.
    const payouts = [channelId, second.channelId].map((id) => alice.node.close(id, { mode: "unilateral" }));
    for (const id of [channelId, second.channelId]) {
      await expect.poll(async () => (await alice.node.channel(id)).phase, EVENT).toBe("closing");
    }
    await expect
      .poll(async () => (await world.chain.provider.getBlock("latest"))!.number, EVENT)
      .toBeGreaterThan(0);
    const passing = setInterval(() => void world.pass(400), 1_500);
    try {
      const paid = await Promise.all(payouts);
      expect(paid.map(({ paidOut }) => paidOut?.[0])).toEqual([DEPOSIT + 65n, DEPOSIT + 8n]);
    } finally {
      clearInterval(passing);
    }
    expect((await alice.node.backup.recovery())?.complete).toBe(true);
    // Peers of settled channels need not come for the node to count as whole again.
    await alice.node.stop();
    await alice.restart({}, { directory });
    await expect.poll(() => alice.node.addresses.length, EVENT).toBeGreaterThan(0);
    await alice.node.stop();
    alice.warnings.length = 0;
    await alice.restart({}, { directory });
    expect(alice.warnings).not.toContain("database_lost_data");
  }, 120_000);

  it("does not overwrite newer copies with what an old backup knows", async () => {
    const proofCopy = { directory: join(root, "newer") };
    const [alice, bob] = [await world.node({ proofCopy }), await world.node()];
    const { channelId } = await openBoth(alice, bob, DEPOSIT);
    await bob.node.pay({ channelId, amount: 5n });
    const file = await backupOf(alice);
    await bob.node.pay({ channelId, amount: 60n });
    await alice.node.stop();
    const options = { password: PASSWORD, oldNodeIsGone: true };
    const first = target();
    await restoreBackup({ ...options, file: pieces(file), directory: first });
    alice.warnings.length = 0;
    await alice.restart({}, { directory: first });
    await expect.poll(() => alice.warnings, EVENT).toContain("proof_copy_failed");
    await alice.node.stop();
    const second = { directory: target(), proofCopy: proofCopy.directory };
    const report = await restoreBackup({ ...options, ...second, file: pieces(file) });
    expect(report.channels).toMatchObject([{ received: 65n, proof: "copy" }]);
    const missing = restoreBackup({
      ...options,
      file: pieces(file),
      directory: target(),
      proofCopy: target(),
    });
    await expect(missing).rejects.toMatchObject({ code: "proof_copy_unreadable" });
  }, 120_000);

  it("goes on with a peer that stayed, from the copy's total on, though single payments are gone", async () => {
    const proofCopy = { directory: join(root, "live") };
    const [alice, bob] = [await world.node({ proofCopy }), await world.node()];
    const { channelId } = await openBoth(alice, bob, DEPOSIT);
    const file = await backupOf(alice);
    await bob.node.pay({ channelId, amount: 60n });
    await alice.node.pay({ channelId, amount: 11n });
    await alice.node.stop();
    const directory = target();
    const copies = { proofCopy: proofCopy.directory, oldNodeIsGone: true };
    await restoreBackup({ file: pieces(file), password: PASSWORD, directory, ...copies });
    await alice.restart({}, { directory });
    await meet(alice, bob);
    await alice.node.ready(channelId);
    await bob.node.ready(channelId);
    const seen: bigint[] = [];
    alice.node.on("payment", ({ amount }) => seen.push(amount));
    await bob.node.pay({ channelId, amount: 2n });
    await alice.node.pay({ channelId, amount: 1n });
    expect(seen).toEqual([2n]);
    expect(await alice.node.channel(channelId)).toMatchObject({ sent: 12n, received: 62n });
    const listed = await collect(alice.node.received(channelId));
    expect(listed.flatMap((batch) => [...batch]).map(({ amount }) => amount)).toEqual([2n]);
    // The copies go on, beyond where they were.
    const [name] = (await readdir(proofCopy.directory)).filter((each) => each.endsWith(".proof"));
    const before = await readFile(join(proofCopy.directory, name!));
    await bob.node.pay({ channelId, amount: 4n });
    await expect
      .poll(async () => (await readFile(join(proofCopy.directory, name!))).equals(before), EVENT)
      .toBe(false);
    const closed = await alice.node.close(channelId);
    expect(closed.paidOut).toEqual([DEPOSIT + 66n - 12n, DEPOSIT + 12n - 66n]);
    const [books] = await alice.node.books.trialBalance();
    expect(books!.balanced).toBe(true);
  }, 120_000);

  it("is found again by the mnemonic, the chain, the copies and its peer alone", async () => {
    const proofCopy = { directory: join(root, "alone") };
    const [alice, bob] = [await world.node({ proofCopy }), await world.node()];
    const { channelId } = await openBoth(alice, bob, DEPOSIT);
    const unpaid = await openBoth(alice, bob, DEPOSIT);
    await bob.node.pay({ channelId, amount: 60n });
    await alice.node.pay({ channelId, amount: 11n });
    await alice.node.stop();
    const stopped = Math.floor(Date.now() / 1000);
    const { mnemonic, chainId, escrow } = alice.options;
    const known = { mnemonic, chainId, escrow, proofCopy: proofCopy.directory };
    const unconfirmed = restoreFromMnemonic({ ...known, directory: target(), oldNodeIsGone: false });
    await expect(unconfirmed).rejects.toMatchObject({ code: "old_node_unconfirmed" });
    const directory = target();
    const report = await restoreFromMnemonic({ ...known, directory, oldNodeIsGone: true });
    expect(report).toMatchObject({ account: alice.node.account, channels: [{ channelId, received: 60n }] });
    expect(Math.abs(report.channels[0]!.provenThrough - stopped)).toBeLessThanOrEqual(5);

    await alice.restart({}, { directory, proofCopy: undefined });
    await meet(alice, bob);
    await alice.node.ready(channelId);
    await alice.node.ready(unpaid.channelId);
    expect(await alice.node.channel(channelId)).toMatchObject({ sent: 11n, received: 60n });
    await expect.poll(async () => (await alice.node.backup.recovery())?.complete, EVENT).toBe(true);
    const closed = await alice.node.close(channelId);
    expect(closed.paidOut).toEqual([DEPOSIT + 49n, DEPOSIT - 49n]);
  }, 120_000);

  it("says once that the second place fails, pays on meanwhile, and copies when it is back", async () => {
    const proofCopy = { directory: join(root, "broken") };
    const [alice, bob] = [await world.node({ proofCopy }), await world.node()];
    const { channelId } = await openBoth(alice, bob, DEPOSIT);
    await rm(proofCopy.directory, { recursive: true });
    await bob.node.pay({ channelId, amount: 5n });
    await expect.poll(() => alice.warnings, EVENT).toContain("proof_copy_failed");
    await bob.node.pay({ channelId, amount: 6n });
    await mkdir(proofCopy.directory);
    await expect.poll(() => readdir(proofCopy.directory), EVENT).toEqual([copyName(channelId), "heartbeat"]);
    expect(alice.warnings.filter((code) => code === "proof_copy_failed")).toHaveLength(1);
    await alice.node.stop();
  }, 120_000);
});

describe("a backup that cannot be restored", () => {
  let file: Buffer;
  let again: (options?: Partial<Parameters<typeof restoreBackup>[0]>) => Promise<unknown>;
  let directory: string;

  beforeAll(async () => {
    const node = await world.node();
    for (let i = 0; i < 300; i++)
      await node.node.records.put("things", `${i}`, "x".repeat(1_000), { sync: i === 299 });
    file = await backupOf(node);
    await node.node.stop();
    directory = target();
    again = (options = {}) =>
      restoreBackup({ file: pieces(file), password: PASSWORD, directory, oldNodeIsGone: true, ...options });
  }, 120_000);

  /** Refused with this code, and nothing is left behind. */
  async function expectRefused(
    code: string,
    options: Partial<Parameters<typeof restoreBackup>[0]>,
  ): Promise<void> {
    await expect(again(options)).rejects.toMatchObject({ name: "BackupError", code });
    const left = (await readdir(root)).filter((name) => join(root, name).startsWith(directory));
    expect(left).toEqual([]);
  }

  it("has secrets nobody can read", () => {
    expect(file.length).toBeGreaterThan(300_000);
    expect(file.includes("x".repeat(20))).toBe(false);
  });

  it("says that nobody confirmed that the old node is gone", () =>
    expectRefused("old_node_unconfirmed", { oldNodeIsGone: false }));

  it("knows a wrong password from damage", async () => {
    await expectRefused("backup_password_wrong", { password: "wrong horse" });
    const header = Buffer.from(file);
    header[20]! ^= 1;
    await expectRefused("backup_damaged", { file: pieces(header) });
  });

  it.each([0, 61, 62, 70, 40_000, 65_620, 200_000])("notices its end missing at %i", (at) =>
    expectRefused(at < 62 ? "backup_foreign" : "backup_truncated", { file: pieces(file.subarray(0, at)) }),
  );

  it("notices every last byte missing, or one too many", async () => {
    await expectRefused("backup_truncated", { file: pieces(file.subarray(0, -1)) });
    await expectRefused("backup_damaged", { file: pieces(Buffer.concat([file, Buffer.from([0])])) });
  });

  it.each([66, 5_000, 70_000, 250_000])("notices a bit changed at %i", async (at) => {
    const changed = Buffer.from(file);
    changed[at]! ^= 4;
    await expectRefused("backup_damaged", { file: pieces(changed) });
  });

  it("notices chunks in another order, or an end put earlier", async () => {
    const chunk = 4 + 65_536 + 16;
    const at = (number: number) => file.subarray(62 + number * chunk, 62 + (number + 1) * chunk);
    const swapped = [file.subarray(0, 62), at(1), at(0), file.subarray(62 + 2 * chunk)];
    await expectRefused("backup_damaged", { file: pieces(Buffer.concat(swapped)) });
    const ended = Buffer.from(file.subarray(0, 62 + chunk));
    ended[62]! |= 0x80;
    await expectRefused("backup_damaged", { file: pieces(ended) });
  });

  it("is no backup, or of a version to come", async () => {
    await expectRefused("backup_foreign", { file: pieces(Buffer.from("a holiday picture".repeat(100))) });
    await expect(again({ file: pieces(file, 1) })).resolves.toBeDefined();
  });

  it("leaves alone what is where it would go", async () => {
    await appendFile(join(directory, "note"), "mine");
    await expect(again()).rejects.toMatchObject({ code: "target_not_empty" });
    expect(await readFile(join(directory, "note"), "utf8")).toBe("mine");
  });
});
