import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Freeze } from "../../../src/node/limits/freeze.ts";
import { Records } from "../../../src/node/records.ts";
import { type Database, openDatabaseOn } from "../../../src/store/database.ts";
import { MemoryMark, newMarkState } from "../../../src/store/mark.ts";
import { MemoryStore } from "../../../src/store/memoryStore.ts";
import { SCHEMA } from "../../../src/store/migration.ts";
import { PowerLossStore } from "../../../src/store/powerLossStore.ts";

/** A disk that loses all that was not synced when the power goes. */
class Machine {
  readonly disk = new MemoryStore();
  readonly mark = new MemoryMark(newMarkState(SCHEMA.version));
  power!: PowerLossStore;
  database!: Database;

  async start(): Promise<Freeze> {
    this.power = new PowerLossStore(this.disk, { seed: 1, tail: "none" });
    const { power: store, mark } = this;
    this.database = await openDatabaseOn({ store, mark, name: "memory", syncAfterMs: 60_000 });
    return Freeze.open(new Records(this.database.store, this.database.committer));
  }

  async restart(): Promise<Freeze> {
    await this.power.crash();
    return this.start();
  }
}

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.database.close().catch(() => {}));

describe("the brake over a power cut", () => {
  it("is on once it said so", async () => {
    expect(await (await machine.start()).freeze("a thief")).toBe(true);
    const again = await machine.restart();
    expect(again.state?.reason).toBe("a thief");
    expect(() => again.assertThawed()).toThrow(expect.objectContaining({ code: "spending_frozen" }));
  });

  it("is off once it said so", async () => {
    const freeze = await machine.start();
    await freeze.freeze("a mistake");
    await freeze.thaw();
    const again = await machine.restart();
    expect(again.state).toBeUndefined();
    again.assertThawed();
  });

  it("is on when it was pulled while it was being released", async () => {
    const freeze = await machine.start();
    await freeze.freeze("a mistake");
    const thawing = freeze.thaw();
    await freeze.freeze("a thief after all");
    await thawing;
    expect((await machine.restart()).state?.reason).toBe("a thief after all");
  });
});
