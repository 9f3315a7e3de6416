import { beforeEach, describe, expect, it } from "vitest";
import { ChainError } from "../../src/chain/error.ts";
import { Channels } from "../../src/node/channels.ts";
import type { NodeContext } from "../../src/node/context.ts";
import { MAX_PLEDGED, Opener } from "../../src/node/opener.ts";
import { MAX_PENDING } from "../../src/node/pending.ts";
import type { PeerSession } from "../../src/p2p/session.ts";
import {
  type Address,
  type Channel,
  type ChannelId,
  type ChannelState,
  observeChain,
  participantOf,
  signerOf,
  ZERO_ADDRESS,
} from "../../src/protocol/index.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";
import type { Op } from "../../src/store/store.ts";
import { type Message, NO_LOCKS } from "../../src/wire/message.ts";
import { CHANNEL, ESCROW, portsOf, reading } from "../protocol/support/channel.ts";

const PER_PEER = 16;
const OURS = participantOf(CHANNEL, 0);

let channels: Channels;
let opener: Opener;
/** What is written, newest last. */
let written: Op[];
/** Channels that the chain knows. */
let onChain: Set<ChannelId>;
let pending: string[];
let failing: Error | undefined;

beforeEach(() => {
  written = [];
  onChain = new Set();
  pending = [];
  failing = undefined;
  const chain = {
    pending: () => pending,
    bindingTime: () => 0n,
    confirmedNumber: () => 0,
    read: async (id: ChannelId) => {
      if (failing !== undefined) throw failing;
      const newest = reading({ status: onChain.has(id) ? "open" : "none", deposits: [0n, 0n] });
      return {
        newest,
        confirmed: reading({ status: "none", deposits: [0n, 0n] }),
        confirmedTime: 0n,
        newestTime: 0n,
      };
    },
  };
  const context = {
    ports: portsOf(0),
    chainId: 31337n,
    escrow: { address: ESCROW },
    account: OURS,
    signer: signerOf(CHANNEL, 0),
    stopping: new AbortController().signal,
    committer: {
      commit: async (ops: Op[]) => void written.push(...ops),
      flush: async () => {},
    },
    history: { record() {} },
    bookJournal: { ops: () => [] },
    attend: (id: ChannelId, wanted: boolean) =>
      void (wanted ? channels.attention.add(id) : channels.attention.delete(id)),
    emit() {},
    log: { info() {}, warn() {} },
    chain,
  } as unknown as NodeContext;
  channels = new Channels(context);
  opener = new Opener(context, channels, { mostMatchingDeposit: 5n });
});

interface Peer {
  readonly address: Address;
  readonly session: PeerSession;
  readonly heard: Message[];
  salt: bigint;
}

let identities = 0;

function newPeer(): Peer {
  // Above our own account, so that it is the second participant.
  const address = `0x${(0xff00_0000 + ++identities).toString(16).padEnd(40, "0")}` as Address;
  const heard: Message[] = [];
  const session = {
    remote: { signer: address, participant: address },
    closed: new AbortController().signal,
    send: (message: Message) => heard.push(message) > 0,
  };
  return { address, session: session as unknown as PeerSession, heard, salt: 0n };
}

/** Proposes a channel; its id if it was accepted, else why not. */
async function propose(peer: Peer, requestedDeposit = 0n): Promise<ChannelId | string> {
  const channel: Channel = {
    ...CHANNEL,
    participant1: peer.address,
    signer1: ZERO_ADDRESS,
    challengePeriod: 86_400,
    salt: ++peer.salt,
  };
  peer.heard.length = 0;
  const message = {
    kind: "openChannel" as const,
    channel,
    deposit: 5n,
    requestedDeposit,
    lockLimits: NO_LOCKS,
  };
  await opener.receiveOpen(message, peer.session);
  for (const answer of peer.heard) {
    if (answer.kind === "acceptChannel") return answer.channelId;
    if (answer.kind === "refuse") return answer.fields.detail!;
  }
  throw new Error("no answer");
}

function leave(peer: Peer): void {
  for (const id of channels.ofPeer(peer.address)) channels.peek(id)!.establisher.end(peer.session);
}

/** A flood of free identities that takes every place there is, each `each` of them. */
async function flood(each: number, stays: boolean, most = MAX_PENDING): Promise<Peer[]> {
  const peers: Peer[] = [];
  while (channels.size < most) {
    const peer = newPeer();
    peers.push(peer);
    for (let i = 0; i < each && channels.size < most; i++) expect(await propose(peer)).toMatch(/^0x/);
    if (!stays) leave(peer);
  }
  return peers;
}

const change = (id: ChannelId, to: (state: ChannelState) => ChannelState) => {
  const mailbox = channels.peek(id)!;
  return mailbox.commit(to(mailbox.state), [], true);
};

describe("a flood of free identities", () => {
  it.each([
    ["that left", PER_PEER, false],
    ["that left, with one channel each", 1, false],
    ["that stay connected", PER_PEER, true],
  ])(
    "%s keeps nobody out, and takes no place for good",
    async (_what, each, stays) => {
      await flood(each, stays);
      for (let i = 0; i < 3; i++) {
        const honest = newPeer();
        const id = (await propose(honest)) as ChannelId;
        expect(channels.has(id)).toBe(true);
        expect(channels.size).toBe(MAX_PENDING);
        leave(honest);
      }
    },
    60_000,
  );

  it("pushes out itself before an honest slow depositor, connected or not", async () => {
    const [here, away] = [newPeer(), newPeer()];
    const kept = [(await propose(here)) as ChannelId, (await propose(away)) as ChannelId];
    leave(away);
    await flood(PER_PEER, true, MAX_PENDING / 2);
    await flood(PER_PEER, false);
    for (let i = 0; i < 200; i++) {
      const identity = newPeer();
      for (let n = 0; n < PER_PEER; n++) await propose(identity);
      leave(identity);
    }
    expect(kept.map((id) => channels.has(id))).toEqual([true, true]);
    expect(channels.size).toBe(MAX_PENDING);
  }, 60_000);

  it("that stays connected cannot push out whoever is connected and holds no more", async () => {
    await flood(1, true);
    const identity = newPeer();
    expect(await propose(identity)).toBe("too many channels wait for their first deposit");
    expect(channels.size).toBe(MAX_PENDING);
  }, 60_000);

  it("never pushes out a channel with money, or money on its way, and writes none of what it forgets again", async () => {
    const honest = Array.from({ length: 6 }, newPeer);
    const ids: ChannelId[] = [];
    for (const [i, peer] of honest.entries()) {
      ids.push((await propose(peer, i === 0 ? 5n : 0n)) as ChannelId);
      leave(peer);
    }
    const [pledged, seen, unseen, ours, funded, other] = ids as [ChannelId, ...ChannelId[]];
    expect(opener.pledges.get(pledged)).toEqual({ ours: 5n, theirs: 5n });
    // An event of an unconfirmed deposit; one that no event has told of yet; one of ours; a confirmed one.
    const notice = { kind: "deposited", stage: "seen", block: { number: 9 } };
    await channels.peek(seen!)!.chainSide.notice(notice as never);
    onChain.add(unseen!);
    pending.push(`${ours}/approve/1`);
    await change(funded!, (state) => observeChain(state, reading(), reading()));
    // And a second channel of a peer that has money with us.
    const second = (await propose(honest[4]!)) as ChannelId;
    leave(honest[4]!);
    const gone = channels.peek(other!)!;
    await flood(1, false, MAX_PENDING + 1);
    for (let i = 0; i < 50; i++) {
      const identity = newPeer();
      await propose(identity);
      leave(identity);
    }
    for (const id of [pledged, seen, unseen, ours, funded, second]) expect(channels.has(id!), id).toBe(true);
    expect(channels.has(other!)).toBe(false);
    written.length = 0;
    await gone.commit(gone.state, [], true);
    expect(written).toEqual([]);
  }, 60_000);

  it("does not keep out a peer that has money under a channel with us, even when nobody can go", async () => {
    const rich = newPeer();
    const id = (await propose(rich)) as ChannelId;
    await change(id, (state) => observeChain(state, reading(), reading()));
    await flood(1, true, MAX_PENDING + 1);
    expect(await propose(newPeer())).toBe("too many channels wait for their first deposit");
    expect(channels.has((await propose(rich, 5n)) as ChannelId)).toBe(true);
  }, 60_000);

  it("gets no more promises of ours than leave room for others", async () => {
    let peer = newPeer();
    for (let i = 0; i < MAX_PENDING; i++) {
      if (i % PER_PEER === 0) {
        leave(peer);
        peer = newPeer();
      }
      await propose(peer, 5n);
    }
    leave(peer);
    expect(opener.pledges.size).toBe(MAX_PLEDGED);
    const honest = newPeer();
    expect(channels.has((await propose(honest, 5n)) as ChannelId)).toBe(true);
    const { deposit } = honest.heard.find((message) => message.kind === "acceptChannel")!;
    expect(deposit).toBe(0n);
  }, 60_000);
});

describe("after a restart", () => {
  it("a peer that only agreed on channels is no more trusted than before, and its channels count", async () => {
    const peer = newPeer();
    const id = (await propose(peer)) as ChannelId;
    const store = new MemoryStore();
    const puts = written.flatMap((op) => (op.type === "put" ? [op] : []));
    await store.write(
      puts.map(({ key, value }) => ({ type: "put", key, value })),
      { sync: true },
    );
    const again = new Channels({ store } as never);
    await again.scan();
    expect([again.peerOf(id), again.isOpening(id)]).toEqual([peer.address, true]);
    expect(again.hasFunded(peer.address)).toBe(false);
  });
});

describe("a promise of ours", () => {
  it("is given up with its channel after a day, and is repeated when asked for again", async () => {
    const peer = newPeer();
    const id = (await propose(peer, 5n)) as ChannelId;
    peer.salt--;
    expect(await propose(peer, 1n)).toBe(id);
    expect(peer.heard).toContainEqual(expect.objectContaining({ kind: "acceptChannel", deposit: 5n }));
    const mailbox = channels.peek(id)!;
    Object.assign(mailbox, { since: Date.now() - 25 * 3600 * 1000 });
    written.length = 0;
    await opener.pending.forgetAbandoned(mailbox);
    expect([channels.has(id), opener.pledges.size]).toEqual([false, 0]);
    expect(written.map(({ type }) => type)).toEqual(["del", "del"]);
  });
});

describe("a proposal while the chain does not answer", () => {
  it("is refused, and is no failure of ours", async () => {
    failing = new ChainError({ code: "rpc_down", method: "eth_call", reason: "timeout" });
    expect(await propose(newPeer())).toBe("this node cannot read the chain now");
  });
});
