import { Interface } from "ethers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { approvals } from "../../src/node/allowances.ts";
import { Depositor } from "../../src/node/depositor.ts";
import { type Address, type ChannelId, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { CHANNEL, ESCROW, reading } from "../protocol/support/channel.ts";

const TOKEN = `0x${"70".repeat(20)}` as Address;
const ERC20 = new Interface(["function approve(address spender, uint256 amount)"]);
const idOf = (n: number) => `0x${n.toString(16).padStart(64, "0")}` as ChannelId;

interface Sent {
  readonly id: string;
  readonly apply: () => boolean;
  readonly tell: (stage: string) => void;
  readonly end: (ok: boolean) => void;
}

/** An account's publisher, a token that changes allowances only from and to zero, and the escrow's deposits. */
class FakeChain {
  allowance = 0n;
  readonly deposits = new Map<string, bigint>();
  readonly approved: bigint[] = [];
  /** Taken and not signed, and signed in the order of their nonces. */
  readonly taken: Sent[] = [];
  readonly signed: Sent[] = [];
  readonly #outcomes = new Map<string, Promise<unknown>>();

  readonly eth = { call: async () => `0x${this.allowance.toString(16).padStart(64, "0")}` };
  poke(): void {}
  blocks = 0;
  /** What the node sees of the chain, where that is behind. */
  view: { readonly deposits: ReadonlyMap<string, bigint>; readonly blocks: number } | undefined;
  knows = async (): Promise<boolean> => false;

  async read(id: ChannelId) {
    const { deposits: all, blocks } = this.view ?? this;
    const deposits = [all.get(id) ?? 0n, 0n] as const;
    return { newest: reading({ deposits }), newestNumber: blocks };
  }

  pending(): string[] {
    return [...this.#outcomes.keys()];
  }

  submit(intent: { id: string; to: string; data: string }, options: { onProgress: (p: unknown) => void }) {
    const known = this.#outcomes.get(intent.id);
    if (known !== undefined) return known;
    const outcome = Promise.withResolvers<unknown>();
    const end = (ok: boolean) => {
      this.#outcomes.delete(intent.id);
      outcome.resolve(
        ok
          ? { ok: true, block: { number: this.blocks } }
          : { ok: false, code: "tx_reverted", revert: { error: "Short" } },
      );
    };
    const tell = (stage: string) => options.onProgress({ stage });
    this.taken.push({ id: intent.id, apply: () => this.#apply(intent), tell, end });
    this.#outcomes.set(intent.id, outcome.promise);
    return outcome.promise;
  }

  /** Signs the next, unless it would revert now. */
  sign(): void {
    const next = this.taken.shift();
    if (next === undefined) return;
    const before = {
      allowance: this.allowance,
      deposits: new Map(this.deposits),
      count: this.approved.length,
    };
    const works = next.apply();
    this.allowance = before.allowance;
    this.approved.length = before.count;
    this.deposits.clear();
    for (const [id, amount] of before.deposits) this.deposits.set(id, amount);
    if (!works) {
      next.end(false);
      return;
    }
    this.signed.push(next);
    next.tell("signed");
  }

  mine(): void {
    const next = this.signed.shift();
    if (next === undefined) return;
    const works = next.apply();
    this.blocks++;
    next.tell("mined");
    next.end(works);
  }

  #apply({ id, to, data }: { id: string; to: string; data: string }): boolean {
    if (to === TOKEN) {
      const amount: bigint = ERC20.decodeFunctionData("approve", data)[1];
      if (amount > 0n && this.allowance > 0n) return false;
      this.allowance = amount;
      this.approved.push(amount);
      return true;
    }
    const [token, amount] = data.split(" ");
    if (token === TOKEN) {
      if (this.allowance < BigInt(amount!)) return false;
      this.allowance -= BigInt(amount!);
    }
    const channelId = id.split("/")[0]!;
    this.deposits.set(channelId, (this.deposits.get(channelId) ?? 0n) + BigInt(amount!));
    return true;
  }
}

function depositorOn(chain: FakeChain): Depositor {
  const deposit = (channel: { token: Address }, _who: Address, amount: bigint) => ({
    to: ESCROW,
    data: `${channel.token} ${amount}`,
    value: 0n,
  });
  const escrow = { address: ESCROW, deposit, checkChannelId: async () => {} };
  const stopping = new AbortController().signal;
  const ports = { crypto: {} };
  const reservations = { take: async () => () => {} };
  return new Depositor({
    chain,
    reservations,
    escrow,
    ports,
    account: CHANNEL.participant0,
    stopping,
  } as never);
}

const mailboxOf = (n: number, token: Address) =>
  ({
    channelId: idOf(n),
    state: { side: 0, terms: { channel: { ...CHANNEL, token } } },
  }) as never;

const signal = new AbortController().signal;
const settle = () => new Promise((resolve) => setImmediate(resolve));

async function finish(chain: FakeChain): Promise<void> {
  for (let idle = 0; idle < 3; ) {
    idle = chain.taken.length + chain.signed.length === 0 ? idle + 1 : 0;
    chain.sign();
    chain.mine();
    await settle();
  }
}

describe("deposits", () => {
  it("need no approval beyond what is free, and one to zero first where some is left", () => {
    expect(approvals(0n, 5n)).toEqual([5n]);
    expect(approvals(5n, 5n)).toEqual([]);
    expect(approvals(4n, 5n)).toEqual([0n, 5n]);
    expect(approvals(9n, 5n, 4n)).toEqual([0n, 5n]);
  });

  it("of one token are all made, in any order of signing, mining and giving up, and revert never", async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant("sign" as const) },
      { weight: 3, arbitrary: fc.constant("mine" as const) },
      {
        weight: 3,
        arbitrary: fc.record({
          channel: fc.integer({ min: 1, max: 4 }),
          amount: fc.bigInt({ min: 1n, max: 9n }),
          native: fc.boolean(),
        }),
      },
    );
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const chain = new FakeChain();
      const depositor = depositorOn(chain);
      const wanted = new Map<string, bigint>();
      const deposits: Promise<bigint>[] = [];
      for (const one of steps) {
        if (one === "sign") chain.sign();
        else if (one === "mine") chain.mine();
        else {
          const channel = one.native ? one.channel + 10 : one.channel;
          const mailbox = mailboxOf(channel, one.native ? ZERO_ADDRESS : TOKEN);
          deposits.push(depositor.deposit(mailbox, one.amount, { signal }));
          wanted.set(idOf(channel), (wanted.get(idOf(channel)) ?? 0n) + one.amount);
        }
        await settle();
      }
      await finish(chain);
      await Promise.all(deposits);
      expect(chain.deposits).toEqual(wanted);
      expect(chain.allowance).toBe(0n);
    });
    await fc.assert(property, { numRuns: 300 });
  }, 60_000);

  it("that wait for one token are approved as one sum", async () => {
    const chain = new FakeChain();
    const depositor = depositorOn(chain);
    const all = [1, 2, 3, 4].map((n) => depositor.deposit(mailboxOf(n, TOKEN), BigInt(n), { signal }));
    await finish(chain);
    await Promise.all(all);
    expect(chain.approved).toEqual([1n, 9n]);
  });

  it("do not wait for one of another channel that is signed and does not get mined", async () => {
    const chain = new FakeChain();
    chain.allowance = 100n;
    const depositor = depositorOn(chain);
    void depositor.deposit(mailboxOf(1, TOKEN), 10n, { signal });
    await settle();
    chain.sign();
    await settle();
    void depositor.deposit(mailboxOf(2, TOKEN), 20n, { signal });
    void depositor.deposit(mailboxOf(3, ZERO_ADDRESS), 30n, { signal });
    await settle();
    while (chain.taken.length > 0) chain.sign();
    const signed = chain.signed.map(({ id }) => id).sort();
    expect(signed).toEqual([1, 2, 3].map((n) => `${idOf(n)}/deposit/${n}0`));
    expect([...depositor.channelsUnderWay()].sort()).toEqual([1, 2, 3].map(idOf));
    await finish(chain);
    expect(depositor.channelsUnderWay().size).toBe(0);
    expect([chain.approved, chain.allowance]).toEqual([[], 70n]);
  });

  it("in the native coin are not held up by a token whose approval is not mined", async () => {
    const chain = new FakeChain();
    const depositor = depositorOn(chain);
    void depositor.deposit(mailboxOf(1, TOKEN), 10n, { signal });
    await settle();
    const native = depositor.deposit(mailboxOf(2, ZERO_ADDRESS), 5n, { signal });
    await settle();
    expect(chain.taken.map(({ id }) => id.split("/")[1])).toEqual(["approve", "deposit"]);
    await finish(chain);
    expect(await native).toBe(5n);
  });

  it("of one channel go one after the other, and asked for again join the one that is under way", async () => {
    const chain = new FakeChain();
    chain.allowance = 100n;
    const control = new AbortController();
    const first = depositorOn(chain);
    const given = first.deposit(mailboxOf(1, TOKEN), 10n, { signal: control.signal });
    given.catch(() => {});
    const second = first.deposit(mailboxOf(1, TOKEN), 10n, { signal });
    await settle();
    chain.sign();
    control.abort(new Error("gone"));
    await expect(given).rejects.toThrow("gone");
    await settle();
    // The second aimed at what the first has not reached yet: one deposit.
    expect(chain.pending()).toEqual([`${idOf(1)}/deposit/10`]);
    await finish(chain);
    expect([await second, chain.deposits.get(idOf(1))]).toEqual([10n, 10n]);
    const third = first.deposit(mailboxOf(1, TOKEN), 10n, { signal });
    const fourth = first.deposit(mailboxOf(1, TOKEN), 10n, { signal });
    await finish(chain);
    expect([await third, await fourth]).toEqual([20n, 30n]);
  });

  it("of one channel are each made though the node's view of the chain is behind, and are all counted", async () => {
    const chain = new FakeChain();
    chain.allowance = 100n;
    chain.view = { deposits: new Map(), blocks: 0 };
    const depositor = depositorOn(chain);
    const asked: bigint[] = [];
    const assertAllowed = (ours: bigint) => void asked.push(ours);
    const mailbox = {
      channelId: idOf(1),
      state: {
        side: 0,
        terms: { channel: { ...CHANNEL, token: TOKEN }, chain: { withdrawn: [3n, 0n] } },
        sent: { transferred: 2n },
        received: { transferred: 7n },
      },
    } as never;
    const deposit = (name?: string) => depositor.deposit(mailbox, 10n, { signal, name, assertAllowed });
    const all = [deposit(), deposit(), deposit("one"), deposit("two")];
    await finish(chain);
    expect(await Promise.all(all)).toEqual([10n, 20n, 30n, 40n]);
    expect(chain.deposits.get(idOf(1))).toBe(40n);
    expect(asked).toEqual([12n, 22n, 32n, 42n]);
    chain.view = undefined;
    const last = deposit();
    await finish(chain);
    expect(await last).toBe(50n);
    expect(asked.at(-1)).toBe(52n);
  });

  it("do not rely on an allowance that an earlier process's deposit will take", async () => {
    const chain = new FakeChain();
    chain.allowance = 10n;
    const earlier = depositorOn(chain).deposit(mailboxOf(1, TOKEN), 10n, { signal });
    await settle();
    chain.sign();
    const depositor = depositorOn(chain); // after a restart
    const other = depositor.deposit(mailboxOf(2, TOKEN), 10n, { signal });
    const again = depositor.deposit(mailboxOf(1, TOKEN), 10n, { signal });
    await settle();
    await finish(chain);
    expect(await Promise.all([earlier, other, again])).toEqual([10n, 10n, 10n]);
    expect([...chain.deposits.values()]).toEqual([10n, 10n]);
  });

  it("fail together with their approval, and the next ones are made", async () => {
    const chain = new FakeChain();
    const depositor = depositorOn(chain);
    const failing = depositor.deposit(mailboxOf(1, TOKEN), 10n, { signal });
    failing.catch(() => {});
    await settle();
    chain.taken.shift()!.end(false);
    await expect(failing).rejects.toMatchObject({ code: "transaction_failed" });
    const next = depositor.deposit(mailboxOf(2, TOKEN), 10n, { signal });
    await settle();
    await finish(chain);
    expect(await next).toBe(10n);
  });
});
