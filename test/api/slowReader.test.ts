import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChannelId, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { type DaemonWorld, openDaemons, type TestDaemon, until } from "./support/daemons.ts";
import { DaemonProcess } from "./support/processes.ts";

const PAYMENTS = 40_000;
const BATCH = 1_000;
/** Paid before memory is measured. */
const WARM = 10_000;
const READERS = 16;
const STALL_MS = 2_000;
const MARK = "\nevent: payment\n";
const MIB = 2 ** 20;

let world: DaemonWorld;
let payer: TestDaemon;
let payee: DaemonProcess;

beforeAll(async () => {
  world = await openDaemons();
  payer = await world.daemon();
  payee = await DaemonProcess.start(await world.options(), { limits: { stallMs: STALL_MS } });
}, 120_000);
afterAll(async () => {
  await DaemonProcess.endAll();
  await world?.stop();
});

interface Told {
  readonly id: string;
  readonly data: string;
}

/** The events of a stream's bytes as far as they are whole, in order. */
function eventsOf(stream: string): Told[] {
  return stream
    .split("\n\n")
    .slice(0, -1)
    .flatMap((message) => {
      const told = /(?:^|\n)id: (.*)\nevent: payment\ndata: (.*)$/.exec(message);
      return told === null ? [] : [{ id: told[1]!, data: told[2]! }];
    });
}

/** A reader that asks for events and reads not a byte. */
async function deafReader(): Promise<Socket> {
  const { url, adminToken } = payee.place;
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.pause();
  socket.write(
    `GET /v1/events?after=0&types=payment HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${adminToken}\r\n\r\n`,
  );
  return socket;
}

/** Reads on behind `after` until `count` have come. */
async function read(after: string, count: number): Promise<Told[]> {
  const { url, adminToken } = payee.place;
  const end = new AbortController();
  const response = await fetch(`${url}/v1/events?types=payment`, {
    headers: { authorization: `Bearer ${adminToken}`, "last-event-id": after },
    signal: end.signal,
  });
  expect(response.status).toBe(200);
  const pieces: string[] = [];
  let seen = 0;
  // An event's beginning may come in two pieces.
  let rest = "";
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    pieces.push(piece);
    seen += (rest + piece).split(MARK).length - 1;
    rest = (rest + piece).slice(1 - MARK.length);
    if (seen >= count && piece.endsWith("\n\n")) break;
  }
  end.abort();
  return eventsOf(pieces.join(""));
}

describe("readers of events that never read", () => {
  it("cost the node no memory, are let go, and miss nothing when they come again", async () => {
    const { channelId } = await payer.daemon.node.openChannel({
      peer: payee.place.address,
      token: ZERO_ADDRESS,
      deposit: 10n ** 15n,
      challengePeriod: 600,
    });
    await payer.daemon.node.ready(channelId);
    for (let made = 0; made < WARM; made += BATCH) await pay(channelId, BATCH);
    const before = await payee.metric("process_resident_memory_bytes");
    const deaf = await Promise.all(Array.from({ length: READERS }, deafReader));
    await until(
      () => payee.metric("rivulet_event_streams"),
      (open) => open === READERS,
    );
    for (let made = WARM; made < PAYMENTS; made += BATCH) {
      await pay(channelId, BATCH);
    }
    await until(
      async () => {
        const now = await payee.metric("process_resident_memory_bytes");
        expect(now - before).toBeLessThan(250 * MIB);
        return payee.metric("rivulet_event_streams");
      },
      (open) => open === 0,
    );
    const all = await read("0", PAYMENTS);
    expect(all.length).toBe(PAYMENTS);
    const amounts = all.map(({ data }) => Number(JSON.parse(data).payment.amount));
    expect(amounts).toEqual(Array.from({ length: PAYMENTS }, (_, n) => n + 1));
    const [first] = deaf;
    const heard = eventsOf(await text(first!.resume()).catch(() => ""));
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.length).toBeLessThan(PAYMENTS);
    const rest = await read(heard.at(-1)!.id, PAYMENTS - heard.length);
    expect([...heard, ...rest]).toEqual(all);
    for (const socket of deaf) socket.destroy();
  }, 120_000);
});

let amount = 0n;
async function pay(channelId: ChannelId, count: number): Promise<void> {
  await payer.daemon.node.payMany(
    channelId,
    Array.from({ length: count }, () => ({ amount: ++amount })),
  );
}
