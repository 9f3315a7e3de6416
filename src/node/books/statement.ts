import {
  type ChannelId,
  type ChannelState,
  type Hex,
  type LedgerPorts,
  readTransfers,
  type SignedProof,
  toHex,
  ZERO_ADDRESS,
} from "../../protocol/index.ts";
import type { StoreReader } from "../../store/store.ts";
import type { Direction } from "../history/listedPayment.ts";
import type { StoredUpdate } from "../history/updatePages.ts";
import type { Books } from "./books.ts";
import type { Period } from "./journal.ts";
import { balanceOf, type Movement } from "./movement.ts";
import { DIRECTIONS, StoredUpdates } from "./payments.ts";
import type {
  ChannelRecord,
  DrawingRecord,
  NodeRecord,
  PaymentLine,
  PayoutRecord,
  Position,
  ProofRecord,
  Standing,
  StatementFilter,
  StatementRecord,
  UpdateRecord,
} from "./statementRecord.ts";
import { type Totals, TotalsByToken } from "./totals.ts";

/** One label, or undefined, per payment. */
export type LabelsOf = (
  payments: readonly {
    readonly channelId: ChannelId;
    readonly direction: Direction;
    readonly paymentId: Hex;
  }[],
) => Promise<readonly (string | undefined)[]>;

export interface StatementInit {
  readonly books: Books;
  readonly store: StoreReader;
  readonly ports: LedgerPorts;
  readonly labels: LabelsOf;
  readonly node: Omit<NodeRecord, "type" | "filter">;
  readonly filter: StatementFilter;
  readonly signal?: AbortSignal | undefined;
}

/** What one channel did within a period. */
interface ChannelPeriod {
  readonly state: ChannelState;
  readonly updates: Readonly<Record<Direction, StoredUpdates>>;
  readonly opening: ChannelMoment;
  readonly closing: ChannelMoment;
  readonly movements: readonly Movement[];
}

interface ChannelMoment {
  readonly sent: SignedProof;
  readonly received: SignedProof;
  readonly deposited: bigint;
  readonly withdrawn: bigint;
  readonly settled: bigint | undefined;
}

/** The records of a statement but its last, channel by channel, read from the store as they are asked for. */
export async function* statementRecords(init: StatementInit): AsyncGenerator<StatementRecord> {
  const { books, filter, signal } = init;
  const period: Period = { from: filter.from ?? 0, to: filter.to ?? Number.MAX_SAFE_INTEGER };
  yield { type: "node", ...init.node, filter };
  const totals = new TotalsByToken();
  const moved = await books.journal.movementsByChannel({ from: 0, to: period.to }, signal);
  for await (const state of books.channels(signal)) {
    if (!concerns(state, filter)) continue;
    const channel = await channelPeriod(init, state, period, moved.get(state.id) ?? []);
    if (isQuiet(channel)) continue;
    yield* channelRecords(init, channel, totals.of(state.terms.channel.token));
  }
  if (filter.peer === undefined && (filter.token ?? ZERO_ADDRESS) === ZERO_ADDRESS) {
    for await (const { time, hash, intent, amount } of books.journal.gas(period, signal)) {
      totals.of(ZERO_ADDRESS).gas += amount;
      yield { type: "gas", time, transaction: hash, intent, amount: `${amount}` };
    }
  }
  if (filter.peer === undefined) {
    yield* drawingRecords(books, filter, period, totals, signal);
    yield* payoutRecords(books, filter, period, totals, signal);
  }
  yield* totals.records();
}

async function* drawingRecords(
  books: Books,
  filter: StatementFilter,
  period: Period,
  totals: TotalsByToken,
  signal: AbortSignal | undefined,
): AsyncGenerator<DrawingRecord> {
  for await (const { time, hash, token, to, amount } of books.journal.drawings(period, signal)) {
    if (filter.token !== undefined && filter.token !== token) continue;
    totals.of(token).drawn += amount;
    yield { type: "drawing", time, transaction: hash, token, to, amount: `${amount}` };
  }
}

async function* payoutRecords(
  books: Books,
  filter: StatementFilter,
  period: Period,
  totals: TotalsByToken,
  signal: AbortSignal | undefined,
): AsyncGenerator<PayoutRecord> {
  for await (const { hash, amount, ...moved } of books.journal.payouts.list(period, signal)) {
    if (filter.token !== undefined && filter.token !== moved.token) continue;
    totals.of(moved.token)[moved.kind] += amount;
    yield { type: "payout", ...moved, transaction: hash, amount: `${amount}` };
  }
}

function concerns(state: ChannelState, { peer, token }: StatementFilter): boolean {
  if (token !== undefined && state.terms.channel.token !== token) return false;
  return peer === undefined || toHex(state.counterpartySigner) === peer;
}

async function channelPeriod(
  { store }: StatementInit,
  state: ChannelState,
  period: Period,
  movements: readonly Movement[],
): Promise<ChannelPeriod> {
  const updates = {
    sent: new StoredUpdates(store, state, "sent"),
    received: new StoredUpdates(store, state, "received"),
  };
  const at = async (time: number): Promise<ChannelMoment> => {
    const proof = async (of: StoredUpdates) => of.proofAt(await of.countBefore(time));
    return {
      sent: await proof(updates.sent),
      received: await proof(updates.received),
      ...movedBefore(movements, time),
    };
  };
  const within = movements.filter(({ time }) => time >= period.from && time < period.to);
  return { state, updates, opening: await at(period.from), closing: await at(period.to), movements: within };
}

function movedBefore(movements: readonly Movement[], time: number) {
  let [deposited, withdrawn] = [0n, 0n];
  let settled: bigint | undefined;
  for (const movement of movements) {
    if (movement.time >= time) break;
    if (movement.kind === "deposit") deposited = movement.total;
    else if (movement.kind === "withdrawal") withdrawn = movement.total;
    else settled = movement.total;
  }
  return { deposited, withdrawn, settled };
}

/** Nothing happened, and nothing stood in it: a channel of another time. */
function isQuiet({ opening, closing, movements }: ChannelPeriod): boolean {
  return (
    movements.length === 0 &&
    opening.sent.nonce === closing.sent.nonce &&
    opening.received.nonce === closing.received.nonce &&
    balance(opening) === 0n
  );
}

function balance({ sent, received, deposited, withdrawn, settled }: ChannelMoment): bigint {
  if (settled !== undefined) return 0n;
  const paid = { sent: sent.transferred, received: received.transferred };
  return balanceOf({ deposit: deposited, withdrawal: withdrawn }, paid);
}

async function* channelRecords(
  init: StatementInit,
  channel: ChannelPeriod,
  totals: Totals,
): AsyncGenerator<StatementRecord> {
  const { state, opening, closing, movements } = channel;
  yield openingRecord(channel);
  totals.opening += balance(opening);
  for (const direction of DIRECTIONS) yield* directionRecords(init, channel, direction, totals);
  for (const { kind, time, amount, total } of movements) {
    addMovement(totals, kind, amount, balance({ ...closing, settled: undefined }));
    yield { type: "movement", kind, time, amount: `${amount}`, total: `${total}` };
  }
  totals.closing += balance(closing);
  yield { type: "channelEnd", channelId: state.id, closing: standing(closing) };
}

/** `balance`: what the settled channel held, with everything that counts in it. */
export function addMovement(totals: Totals, kind: Movement["kind"], amount: bigint, balance: bigint): void {
  if (kind === "deposit") totals.deposited += amount;
  else if (kind === "withdrawal") totals.withdrawn += amount;
  else {
    totals.settled += amount;
    totals.settlementLoss += balance - amount;
  }
}

function openingRecord({ state, opening }: ChannelPeriod): ChannelRecord {
  const { channel } = state.terms;
  return {
    type: "channel",
    channelId: state.id,
    participants: [channel.participant0, channel.participant1],
    signers: [channel.signer0, channel.signer1],
    token: channel.token,
    challengePeriod: channel.challengePeriod,
    salt: `${channel.salt}`,
    side: state.side,
    opening: standing(opening),
  };
}

function standing(moment: ChannelMoment): Standing {
  return {
    deposited: `${moment.deposited}`,
    withdrawn: `${moment.withdrawn}`,
    sent: position(moment.sent),
    received: position(moment.received),
    balance: `${balance(moment)}`,
  };
}

function position({ nonce, transferred, history }: SignedProof): Position {
  return { nonce: `${nonce}`, transferred: `${transferred}`, history: toHex(history) };
}

/** The period's updates of one direction, and the proof that covers them. */
async function* directionRecords(
  init: StatementInit,
  { state, updates, opening, closing }: ChannelPeriod,
  direction: Direction,
  totals: Totals,
): AsyncGenerator<StatementRecord> {
  const { ports, signal } = init;
  const end = closing[direction].nonce;
  if (end === 0n) return;
  // A direction in which nothing happened is proven all the same: its totals are part of the balance.
  const proven = (await updates[direction].signedFrom(end, ports)) ?? end;
  const last = { proof: closing[direction] };
  for await (const timed of updates[direction].between(opening[direction].nonce + 1n, proven, signal)) {
    const { nonce } = timed.update.proof;
    last.proof = timed.update.proof;
    const beyond = nonce > end;
    const payments = beyond ? [] : await paymentLines(timed, state.id, direction, init);
    totals.payments += payments.length;
    for (const { amount } of payments) totals[direction] += BigInt(amount);
    yield updateRecord(timed, direction, payments, beyond);
  }
  yield proofRecord(direction, last.proof);
}

async function paymentLines(
  { update }: StoredUpdate,
  channelId: ChannelId,
  direction: Direction,
  { labels, filter }: StatementInit,
): Promise<PaymentLine[]> {
  const lines: PaymentLine[] = [];
  for (const { paymentId, amount, reference, refund } of readTransfers(update.entries)) {
    lines.push({
      index: lines.length,
      paymentId: toHex(paymentId),
      amount: `${amount}`,
      ...(reference !== undefined && { reference: toHex(reference) }),
      ...(refund && { refund: true as const }),
    });
  }
  const named = await labels(lines.map(({ paymentId }) => ({ channelId, direction, paymentId })));
  const labelled = lines.map((line, at) => (named[at] === undefined ? line : { ...line, label: named[at] }));
  return labelled.filter(({ label }) => filter.label === undefined || label === filter.label);
}

function updateRecord(
  { update, time }: StoredUpdate,
  direction: Direction,
  payments: readonly PaymentLine[],
  beyond: boolean,
): UpdateRecord {
  return {
    type: "update",
    direction,
    nonce: `${update.proof.nonce}`,
    time,
    entries: toHex(update.entries),
    ...(beyond && { beyond: true as const }),
    payments,
  };
}

function proofRecord(direction: Direction, proof: SignedProof): ProofRecord {
  return {
    type: "proof",
    direction,
    nonce: `${proof.nonce}`,
    transferred: `${proof.transferred}`,
    locked: `${proof.locked}`,
    locksRoot: toHex(proof.locksRoot),
    history: toHex(proof.history),
    signature: toHex(proof.signature),
  };
}
