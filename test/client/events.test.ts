import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Event } from "../../src/api/schema/event.ts";
import { RivuletClient } from "../../src/client/client.ts";
import { SILENCE_MS } from "../../src/client/events.ts";

/** Answers the stream's nth connection as a test likes; `asked` has what each one asked to go on behind. */
interface Stub {
  readonly client: RivuletClient;
  readonly asked: (string | null)[];
}

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function serve(answers: readonly ((response: ServerResponse) => void)[]): Promise<Stub> {
  const asked: (string | null)[] = [];
  server = createServer((request, response) => {
    asked.push(new URL(request.url!, "http://localhost").searchParams.get("after"));
    response.writeHead(200, { "content-type": "text/event-stream" });
    answers[Math.min(asked.length, answers.length) - 1]!(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { client: new RivuletClient({ url: `http://127.0.0.1:${port}` }), asked };
}

function warning(cursor: string): string {
  const event = { cursor, time: 1, type: "warning", code: "a", message: "b" } satisfies Event;
  return `id: ${cursor}\nevent: warning\ndata: ${JSON.stringify(event)}\n\n`;
}

async function take(events: AsyncIterable<Event>, count: number): Promise<string[]> {
  const cursors: string[] = [];
  for await (const { cursor } of events) if (cursors.push(cursor) === count) break;
  return cursors;
}

describe("a stream of events", () => {
  it("that the node ends in order is taken up behind its last event, and whoever asked is told", async () => {
    const { client, asked } = await serve([
      (response) => response.end(`${warning("1")}: goodbye\n\n`),
      (response) => response.write(warning("2")),
    ]);
    const told: unknown[] = [];
    const events = client.events({ after: "0", onReconnect: (reason) => told.push(reason) });
    expect(await take(events, 2)).toEqual(["1", "2"]);
    expect(asked).toEqual(["0", "1"]);
    // No reason: nothing failed.
    expect(told).toEqual([undefined]);
  });

  it("that breaks is taken up the same way, with the reason", async () => {
    const { client, asked } = await serve([
      (response) => response.write(warning("1"), () => response.destroy()),
      (response) => response.write(warning("2")),
    ]);
    const told: unknown[] = [];
    const events = client.events({ after: "0", onReconnect: (reason) => told.push(reason) });
    expect(await take(events, 2)).toEqual(["1", "2"]);
    expect(asked).toEqual(["0", "1"]);
    expect(told).toEqual([expect.any(Error)]);
  });

  it("that breaks before any event is taken up where it began", async () => {
    const { client, asked } = await serve([
      (response) => response.write("retry: 1000\nid: 7\n\n", () => response.destroy()),
      (response) => response.write(`retry: 1000\nid: 7\n\n${warning("8")}`),
    ]);
    expect(await take(client.events(), 1)).toEqual(["8"]);
    expect(asked).toEqual([null, "7"]);
  });

  it("that has died without a word is given up after a silence, not waited for without end", async () => {
    const { client, asked } = await serve([
      (response) => response.write(warning("1")),
      (response) => response.write(warning("2")),
    ]);
    const events = client.events({ after: "0", silenceMs: 300 });
    expect(await take(events, 2)).toEqual(["1", "2"]);
    expect(asked).toEqual(["0", "1"]);
  });

  it("that is quiet and gives signs of life is kept", async () => {
    let connections = 0;
    const { client } = await serve([
      (response) => {
        connections++;
        let beats = 0;
        const beat = setInterval(() => {
          if (++beats < 12) return response.write(": alive\n\n");
          clearInterval(beat);
          response.write(warning("1"));
        }, 100);
      },
    ]);
    expect(await take(client.events({ after: "0", silenceMs: 1_000 }), 1)).toEqual(["1"]);
    expect(connections).toBe(1);
  });

  it("is given up no sooner than after several of the node's signs of life", () => {
    // The node gives one every 15 seconds: `heartbeatMs` in the API's options.
    expect(SILENCE_MS).toBeGreaterThanOrEqual(3 * 15_000);
  });
});
