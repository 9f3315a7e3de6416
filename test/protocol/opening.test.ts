import { describe, expect, it } from "vitest";
import {
  type Address,
  type Channel,
  cannotSend,
  checkChannel,
  MAX_CHALLENGE_PERIOD,
  MAX_UINT64,
  observeChain,
  participantOf,
  receiveUpdates,
  sendCapacity,
  sideOf,
  signerOf,
  startClosing,
  stopForClose,
  ZERO_ADDRESS,
} from "../../src/protocol/index.ts";
import {
  announced,
  CHANNEL,
  codeOf,
  observed,
  openingPair,
  openPair,
  portsOf,
  reading,
  sent,
} from "./support/channel.ts";

const NONE = { status: "none", deposits: [0n, 0n] } as const;
const address = (byte: string) => `0x${byte.repeat(20)}` as Address;

describe("channel tuple", () => {
  const fieldOf = (change: Partial<Channel>) => {
    const refusal = checkChannel({ ...CHANNEL, ...change });
    return refusal?.code === "channel_invalid" ? refusal.fields.field : refusal;
  };

  it("is refused for every reason for which the escrow would refuse it", () => {
    expect(fieldOf({})).toBeUndefined();
    expect(fieldOf({ participant0: ZERO_ADDRESS })).toBe("participant0");
    expect(fieldOf({ participant0: CHANNEL.participant1 })).toBe("participant1");
    expect(fieldOf({ participant0: address("ff") })).toBe("participant1");
    expect(fieldOf({ signer1: CHANNEL.signer0 })).toBe("signer1");
    expect(fieldOf({ signer0: CHANNEL.participant1 })).toBe("signer1");
    for (const challengePeriod of [-1, 1.5, Number.NaN, MAX_CHALLENGE_PERIOD + 1]) {
      expect(fieldOf({ challengePeriod })).toBe("challengePeriod");
    }
    expect(fieldOf({ challengePeriod: MAX_CHALLENGE_PERIOD })).toBeUndefined();
    expect(fieldOf({ salt: -1n })).toBe("salt");
    expect(fieldOf({ salt: MAX_UINT64 + 1n })).toBe("salt");
    expect(fieldOf({ salt: MAX_UINT64 })).toBeUndefined();
  });

  it("says who takes which side and who signs for it", () => {
    expect(sideOf(CHANNEL, CHANNEL.participant0)).toBe(0);
    expect(sideOf(CHANNEL, CHANNEL.participant1)).toBe(1);
    expect(sideOf(CHANNEL, CHANNEL.signer0)).toBeUndefined();
    expect(participantOf(CHANNEL, 1)).toBe(CHANNEL.participant1);
    expect(signerOf(CHANNEL, 0)).toBe(CHANNEL.signer0);
    expect(signerOf(CHANNEL, 1)).toBe(CHANNEL.participant1);
  });
});

describe("opening", () => {
  it("signs nothing and credits nothing before the chain confirms", () => {
    const [a, b] = openingPair();
    expect(codeOf(cannotSend(a))).toBe("channel_not_open");
    expect(codeOf(stopForClose(a))).toBe("channel_not_open");
    const { update } = sent(openPair()[0], 1n);
    const result = receiveUpdates(b, [update], portsOf(1));
    expect(result.taken).toBe(0);
    expect(result.refusal?.code).toBe("capacity_exceeded");
  });

  it("stays opening while the deposit is only at the tip", () => {
    const state = observeChain(openingPair()[0], reading(NONE), reading());
    expect(state.terms.phase).toBe("opening");
    expect(state.terms.announced.deposits).toEqual([0n, 0n]);
  });

  it("opens with the confirmed deposits and announces them", () => {
    const state = observed(openingPair()[0]);
    expect(state.terms.phase).toBe("open");
    expect(state.terms.announced).toEqual({
      deposits: [1000n, 1000n],
      withdrawn: [0n, 0n],
      closeLive: false,
      sequence: 1n,
    });
    expect(observed(state).terms.announced).toBe(state.terms.announced);
  });

  it("spends nothing until the payee has announced that it counts our deposit", () => {
    const [a, b] = openingPair();
    const mine = observed(a);
    expect(sendCapacity(mine)).toBe(0n);
    expect(sendCapacity(announced([mine, b])[0])).toBe(0n);
    expect(sendCapacity(announced([mine, observed(b)])[0])).toBe(1000n);
  });

  it("is closing when a close shows at the tip before anything confirmed", () => {
    const state = observeChain(openingPair()[0], reading(NONE), reading({ status: "closing", deadline: 5n }));
    expect(state.terms.phase).toBe("closing");
    expect(startClosing(openingPair()[0]).terms.phase).toBe("closing");
  });
});
