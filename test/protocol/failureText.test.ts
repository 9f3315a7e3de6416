import { describe, expect, it } from "vitest";
import { ApiError } from "../../src/api/error.ts";
import { DevError } from "../../src/dev/error.ts";
import { NodeError } from "../../src/node/error.ts";
import { PeerError } from "../../src/p2p/error.ts";
import { failureText } from "../../src/protocol/failureText.ts";

describe("a coded failure's text", () => {
  it.each([
    [failureText({ code: "window_full", fields: {} }), "window full"],
    [failureText({ code: "window_full", fields: { limit: 5n } }), "window full (limit 5)"],
    [failureText({ code: "any", fields: { pid: 7, at: "x" } }, "it is taken"), "it is taken (pid 7, at x)"],
    [failureText({ code: "any", fields: {} }, "it is taken"), "it is taken"],
  ])("is one line: %s", (text, line) => expect(text).toBe(line));

  it("is the same whichever room throws it", () => {
    const invalid = { code: "option_invalid", fields: { option: "port", reason: "0 to 65535" } } as const;
    const told = "(option port, reason 0 to 65535)";
    expect(new ApiError(invalid).message).toBe(`option invalid ${told}`);
    expect(new NodeError(invalid).message.endsWith(` ${told}`)).toBe(true);
    expect(new DevError(invalid).message).toBe(`an option makes no sense ${told}`);
    expect(new PeerError("own_code", { of: "a\nnode" }).message).toBe("own code (of a?node)");
  });
});
