import type { Logger } from "pino";
import type { Spender } from "../node/limits/spender.ts";
import type { RivuletNode } from "../node/node.ts";
import type { Address } from "../protocol/index.ts";
import type { Caller } from "./caller.ts";
import { ApiError } from "./error.ts";
import { gasOf } from "./operationGas.ts";
import {
  KEYS,
  newOperationId,
  OPERATIONS,
  type OperationRecord,
  type Order,
  operationKey,
  operationOf,
  sameOrder,
  UNFINISHED,
} from "./operationRecord.ts";
import { carryOut, goesOn } from "./operationSteps.ts";
import { isKnown, problemOf } from "./problems.ts";
import type { Operation } from "./schema/operation.ts";

/** Operations under way at once: each waits for the chain and holds little, and more are a program gone wild. */
const MAX_RUNNING = 1_000;

/** Records read for one page, whatever of them it shows. */
const MAX_READ = 5_000;

interface Running {
  record: OperationRecord;
  /** Whose budgets it counts against; undefined for what goes on by itself after a restart. */
  readonly spender: Spender | undefined;
  progress: NonNullable<Operation["progress"]>;
}

interface OperationsInit {
  readonly node: RivuletNode;
  readonly log: Logger;
  readonly keepPeer: (signer: Address, address: string) => Promise<void>;
  /** Told of every state an operation enters, once it is durable, and of every step. */
  readonly onChange?: (operation: Operation) => void;
}

/**
 * Opening, depositing, withdrawing, closing, sending, fetching payouts: what waits for the chain. Each is on disk before it begins, under the
 * caller's key; the same key again is the same operation, in this process and in every later one.
 */
export class Operations {
  readonly #init: OperationsInit;
  readonly #running = new Map<string, Running>();
  /** Keys whose operation is being looked up or written. */
  readonly #starting = new Map<string, Promise<OperationRecord>>();
  readonly #stopping = new AbortController();

  constructor(init: OperationsInit) {
    this.#init = init;
  }

  /** Takes up what an earlier process left under way, where that may have begun; the rest waits for its key. */
  async resume(): Promise<void> {
    const { records } = this.#init.node;
    for await (const { key: operationId } of records.list(UNFINISHED)) {
      const record = await records.get<OperationRecord>(OPERATIONS, operationId);
      if (record?.state === "running" && (await goesOn(this.#init.node, record)))
        this.#run(this.#take(record));
    }
  }

  get running(): number {
    return this.#running.size;
  }

  /** Ends the waiting; what is under way goes on with the next process. */
  stop(): void {
    this.#stopping.abort(new DOMException("the node is stopping", "AbortError"));
  }

  /**
   * Begins what `order` asks for, or joins it. Throws `idempotency_conflict` when the key stands for something else,
   * `operation_running` and `too_many_operations`.
   */
  async start(caller: Caller, idempotencyKey: string, order: Order): Promise<Operation> {
    const { spender } = caller;
    const key = operationKey(caller.accessTokenId, idempotencyKey);
    let starting = this.#starting.get(key);
    if (starting === undefined) {
      starting = this.#findOrMake(key, caller, order).finally(() => this.#starting.delete(key));
      this.#starting.set(key, starting);
    }
    const record = await starting;
    if (!sameOrder(record.order, order)) {
      const reason = `it stands for the operation ${record.operationId}`;
      throw new ApiError({ code: "idempotency_conflict", fields: { reason } });
    }
    if (record.state === "running" && !this.#running.has(record.operationId)) {
      const newest = await this.#read(record.operationId);
      if (newest?.state === "running" && !this.#running.has(record.operationId))
        this.#run(this.#claim(newest, spender));
    }
    return this.get(record.operationId);
  }

  /** Throws `not_found`. */
  async get(operationId: string): Promise<Operation> {
    const running = this.#running.get(operationId);
    if (running !== undefined) return this.#shown(running.record, running.progress);
    const record = await this.#read(operationId);
    if (record === undefined) {
      throw new ApiError({ code: "not_found", fields: { what: "operation", id: operationId } });
    }
    return this.#shown(record);
  }

  /** Newest first. `next` goes on behind what was looked at. */
  async list(query: {
    readonly limit: number;
    readonly cursor?: string | undefined;
    readonly state?: Operation["state"] | undefined;
  }): Promise<{ items: Operation[]; next?: string }> {
    const { limit, cursor, state } = query;
    const { records } = this.#init.node;
    const items: Operation[] = [];
    let read = 0;
    const stored = records.list<OperationRecord>(OPERATIONS, { after: cursor, reverse: true });
    for await (const { key, value } of stored) {
      const running = this.#running.get(key);
      const record = running?.record ?? value;
      if (state === undefined || operationOf(record, running?.progress).state === state) {
        items.push(await this.#shown(record, running?.progress));
      }
      if (items.length === limit || ++read === MAX_READ) return { items, next: key };
    }
    return { items };
  }

  async #findOrMake(key: string, { accessTokenId, spender }: Caller, order: Order): Promise<OperationRecord> {
    const { records } = this.#init.node;
    const known = await records.get<string>(KEYS, key);
    const found = known === undefined ? undefined : await this.#read(known);
    if (found !== undefined) return found;
    const operationId = newOperationId(Date.now());
    const now = Math.floor(Date.now() / 1000);
    const { losses } = this.#init.node.backup;
    const record: OperationRecord = {
      operationId,
      accessTokenId,
      order,
      ...(losses > 0 && { losses }),
      state: "running",
      createdAt: now,
      updatedAt: now,
    };
    const running = this.#claim(record, spender);
    try {
      await records.write(
        [
          records.putOp(OPERATIONS, operationId, record),
          records.putOp(UNFINISHED, operationId, true),
          records.putOp(KEYS, key, operationId),
        ],
        { sync: true },
      );
    } catch (error) {
      this.#running.delete(operationId);
      throw error;
    }
    this.#run(running);
    return record;
  }

  /** Checked and counted in one turn, before it is written: nothing that comes meanwhile passes the same check. */
  #claim(record: OperationRecord, spender: Spender | undefined): Running {
    if (this.#running.size >= MAX_RUNNING) {
      throw new ApiError({ code: "too_many_operations", fields: { limit: BigInt(MAX_RUNNING) } });
    }
    this.#refuseSecondWithdrawal(record.order);
    return this.#take(record, spender);
  }

  #take(record: OperationRecord, spender?: Spender): Running {
    const running: Running = { record, spender, progress: { step: "starting" } };
    this.#running.set(record.operationId, running);
    return running;
  }

  /** Two at once would take each other's total for their own, and of two fetches one would find nothing. */
  #refuseSecondWithdrawal(order: Order): void {
    if (order.kind !== "withdraw" && order.kind !== "withdrawPayout") return;
    for (const { record } of this.#running.values()) {
      if (!takesTheSame(record.order, order)) continue;
      throw new ApiError({ code: "operation_running", fields: { operationId: record.operationId } });
    }
  }

  #run(running: Running): void {
    this.#tell(running);
    void this.#finish(running).catch((error: unknown) => {
      // The disk: the node stops by itself, and the operation is taken up afterwards.
      this.#init.log.error(
        { error, operationId: running.record.operationId },
        "an operation could not be noted",
      );
    });
  }

  async #finish(running: Running): Promise<void> {
    const { node, log, keepPeer } = this.#init;
    const { operationId } = running.record;
    const notes = {
      keepPeer,
      tell: (progress: Running["progress"]) => {
        running.progress = progress;
        this.#tell(running);
      },
      note: async (change: Partial<OperationRecord>) => {
        running.record = { ...running.record, ...change, updatedAt: Math.floor(Date.now() / 1000) };
        await node.records.put(OPERATIONS, operationId, running.record, { sync: true });
      },
    };
    try {
      await carryOut(node, running.record, notes, this.#stopping.signal, running.spender);
      await this.#end(running, { state: "succeeded" });
    } catch (error) {
      // Not over: the next process takes it up. Nothing may be written any more.
      if (this.#stopping.signal.aborted || node.stopping.aborted) return;
      if (!isKnown(error)) log.error({ error, operationId }, "an operation failed");
      await this.#end(running, {
        state: "failed",
        problem: problemOf(error, `urn:rivulet:operation:${operationId}`),
      });
    } finally {
      this.#running.delete(operationId);
    }
  }

  async #end(running: Running, how: Pick<OperationRecord, "state" | "problem">): Promise<void> {
    const { node } = this.#init;
    const { records } = node;
    const { operationId } = running.record;
    running.record = { ...running.record, ...how, updatedAt: Math.floor(Date.now() / 1000) };
    await records.write(
      [records.putOp(OPERATIONS, operationId, running.record), records.deleteOp(UNFINISHED, operationId)],
      { sync: true },
    );
    this.#tell(running);
  }

  async #shown(record: OperationRecord, progress?: Running["progress"]): Promise<Operation> {
    return operationOf(record, progress, await gasOf(this.#init.node, record));
  }

  #tell({ record, progress }: Running): void {
    this.#init.onChange?.(operationOf(record, progress));
  }

  #read(operationId: string): Promise<OperationRecord | undefined> {
    return this.#init.node.records.get<OperationRecord>(OPERATIONS, operationId);
  }
}

function takesTheSame(one: Order, other: Order): boolean {
  if (one.kind === "withdraw") return other.kind === "withdraw" && one.channelId === other.channelId;
  return one.kind === "withdrawPayout" && other.kind === "withdrawPayout" && one.token === other.token;
}
