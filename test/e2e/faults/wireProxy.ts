import { createServer, type Server, Socket } from "node:net";

export type Way = "out" | "back";

/** What becomes of the chunk that was waited for, once the test has done what it wanted. */
export type ChunkFate = "lost" | "torn" | "delivered";

interface Wire {
  readonly near: Socket;
  readonly far: Socket;
}

interface Watch {
  readonly way: Way;
  left: number;
  readonly reached: () => Promise<ChunkFate>;
}

/** Stands between two nodes on a wire of its own: counts what passes, holds it, slows it, cuts it. */
export class WireProxy {
  readonly #server: Server;
  readonly #wires = new Set<Wire>();
  #target = 0;
  #watch: Watch | undefined;
  /** Nobody gets through. */
  down = false;
  /** Nothing passes while it is set; what arrives waits. */
  #frozen: PromiseWithResolvers<void> | undefined;
  /** Milliseconds each chunk is held. */
  delayMs = 0;
  /** Chunks seen per way. */
  readonly chunks = { out: 0, back: 0 };
  port = 0;

  constructor() {
    this.#server = createServer({ noDelay: true }, (near) => this.#accept(near));
  }

  async start(target: number): Promise<this> {
    this.#target = target;
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
    return this;
  }

  /** Calls `reached` with the `count`-th chunk that goes this way from now on, which waits for its answer. */
  watch(way: Way, count: number, reached: () => Promise<ChunkFate>): void {
    this.#watch = { way, left: count, reached };
  }

  unwatch(): void {
    this.#watch = undefined;
  }

  /** Breaks every connection there is. */
  cut(): void {
    for (const { near, far } of this.#wires) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    this.#wires.clear();
  }

  freeze(): void {
    this.#frozen ??= Promise.withResolvers<void>();
  }

  thaw(): void {
    this.#frozen?.resolve();
    this.#frozen = undefined;
  }

  async stop(): Promise<void> {
    this.cut();
    this.thaw();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(near: Socket): void {
    near.on("error", () => {});
    if (this.down) {
      near.resetAndDestroy();
      return;
    }
    const far = new Socket({ allowHalfOpen: false });
    far.setNoDelay(true);
    far.on("error", () => near.destroy());
    far.connect(this.#target, "127.0.0.1");
    const wire = { near, far };
    this.#wires.add(wire);
    this.#carry(wire, near, far, "out");
    this.#carry(wire, far, near, "back");
  }

  #carry(wire: Wire, from: Socket, to: Socket, way: Way): void {
    let last = Promise.resolve();
    from.on("data", (chunk: Buffer) => {
      from.pause();
      last = last
        .then(() => this.#pass(chunk, to, way))
        .then(() => void from.resume())
        .catch(() => {});
    });
    from.on("close", () => {
      this.#wires.delete(wire);
      void last.then(() => to.end());
    });
  }

  async #pass(chunk: Buffer, to: Socket, way: Way): Promise<void> {
    this.chunks[way]++;
    await this.#frozen?.promise;
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    const watch = this.#watch;
    let part = chunk;
    if (watch?.way === way && --watch.left <= 0) {
      this.#watch = undefined;
      const fate = await watch.reached();
      if (fate === "lost") return;
      if (fate === "torn") part = chunk.subarray(0, chunk.length >> 1);
    }
    if (to.destroyed || to.write(part)) return;
    await new Promise<void>((resolve) => {
      to.once("drain", resolve);
      to.once("close", resolve);
    });
  }
}
