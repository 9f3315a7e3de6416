import { describe, expect, it } from "vitest";
import { PeerError } from "../../src/p2p/error.ts";

describe("a peer's failure", () => {
  it("says what happened and with which numbers, beside its code", () => {
    const error = new PeerError("chain_mismatch", { chainId: "1" });
    expect([error.name, error.code, error.fields]).toEqual(["PeerError", "chain_mismatch", { chainId: "1" }]);
    expect(error.message).toBe(
      "the peer is on another chain: compare the chain id in both configurations (chainId 1)",
    );
    expect(new PeerError("host_stopped").message).toBe("this node is stopping and meets no peers");
  });

  it("shows a code of the ledger as words", () => {
    expect(new PeerError("nonce_gap", { expected: "4" }).message).toBe("nonce gap (expected 4)");
    expect(new PeerError("constructor").message).toBe("constructor");
  });

  it("keeps what a stranger says from writing to a terminal", () => {
    const { message, fields } = new PeerError("remote_error", { code: "x\u001b[2J\r\n\u202e\u2028y" });
    expect(message).toMatch(/ \(code x\?\[2J\?\?\?\?y\)$/);
    expect(fields.code).toContain("\u001b");
  });
});
