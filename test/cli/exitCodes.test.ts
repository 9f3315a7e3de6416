import { PassThrough } from "node:stream";
import { password } from "@inquirer/prompts";
import { describe, expect, it } from "vitest";
import { EXIT, exitCodeOf } from "../../src/cli/exitCodes.ts";

describe("a question that is interrupted", () => {
  const question = (signal?: AbortSignal) => {
    const input = new PassThrough();
    const streams = { input, output: new PassThrough(), ...(signal && { signal }) };
    const answer = password({ message: "Password" }, streams).catch((error: unknown) => exitCodeOf(error));
    return { input, answer };
  };

  it("by Ctrl-C is an interruption and no failure", async () => {
    const { input, answer } = question();
    input.write("\u0003");
    expect(await answer).toBe(EXIT.interrupted);
  });

  it("by SIGTERM too", async () => {
    const stop = new AbortController();
    const { answer } = question(stop.signal);
    stop.abort();
    expect(await answer).toBe(EXIT.interrupted);
  });
});
