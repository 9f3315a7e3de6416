import {
  addressToBytes,
  type Channel,
  channelIdOf,
  channelIdToBytes,
  type Digests,
  fromHex,
  type Crypto as HashesAndCurve,
  isSignedBy,
  type LedgerPorts,
  NO_PROOF,
  nextProof,
  otherSide,
  participantOf,
  readTransfers,
  type SignedProof,
  signerOf,
  toHex,
} from "../../protocol/index.ts";
import { type Direction, payerOf } from "../history/listedPayment.ts";
import {
  type ChannelEndRecord,
  type ChannelRecord,
  channelOf,
  type MovementRecord,
  type NodeRecord,
  type PaymentLine,
  type ProofRecord,
  type Standing,
  type UpdateRecord,
} from "./statementRecord.ts";
import type { Totals } from "./totals.ts";

/** What is wrong with a statement, as a stable code and in words. */
export interface Finding {
  readonly code:
    | "not_a_statement"
    | "record_invalid"
    | "record_misplaced"
    | "channel_id_mismatch"
    | "channel_foreign"
    | "opening_mismatch"
    | "update_gap"
    | "entries_invalid"
    | "payment_mismatch"
    | "payments_left_out"
    | "outside_period"
    | "history_mismatch"
    | "signature_invalid"
    | "proof_missing"
    | "closing_mismatch"
    | "movement_mismatch"
    | "totals_mismatch"
    | "seal_broken"
    | "chain_mismatch";
  readonly message: string;
  readonly channelId?: string | undefined;
}

export type Report = (code: Finding["code"], message: string, channelId?: string) => void;

/** What a movement says the chain paid the node. */
interface PaidOut {
  /** The total of a withdrawal; undefined for the settlement. */
  readonly withdrawn: bigint | undefined;
  readonly time: number;
}

interface DirectionCheck {
  /** After the last update read. */
  proof: SignedProof;
  /** At the end of the period, behind which updates are evidence only. */
  atEnd: SignedProof;
  proven: boolean;
}

/** Follows one channel of a statement from its opening to its end. */
export class ChannelCheck {
  readonly record: ChannelRecord;
  readonly #node: NodeRecord;
  readonly #crypto: HashesAndCurve;
  readonly #digests: Digests;
  readonly #totals: Totals;
  readonly #report: Report;
  readonly #channel: Channel;
  readonly #directions: Record<Direction, DirectionCheck>;
  #deposited: bigint;
  #withdrawn: bigint;
  settled: bigint | undefined;
  /** The totals after each movement: what a chain must have shown at some time. */
  readonly deposits: bigint[] = [];
  readonly withdrawals: bigint[] = [];
  readonly paidOut: PaidOut[] = [];

  constructor(
    record: ChannelRecord,
    node: NodeRecord,
    ports: { readonly crypto: HashesAndCurve; readonly digests: Digests },
    totals: Totals,
    report: Report,
  ) {
    this.record = record;
    this.#node = node;
    this.#crypto = ports.crypto;
    this.#digests = ports.digests;
    this.#totals = totals;
    this.#report = report;
    this.#channel = channelOf(record);
    const { opening } = record;
    this.#directions = { sent: startOf(opening, "sent"), received: startOf(opening, "received") };
    this.#deposited = BigInt(opening.deposited);
    this.#withdrawn = BigInt(opening.withdrawn);
    this.deposits.push(this.#deposited);
    this.withdrawals.push(this.#withdrawn);
    totals.opening += BigInt(opening.balance);
    this.#checkTuple();
  }

  get channel(): Channel {
    return this.#channel;
  }

  #checkTuple(): void {
    const { channelId, side, opening } = this.record;
    const { chainId, escrow, account, signer, filter } = this.#node;
    const id = channelIdOf(this.#channel, BigInt(chainId), escrow, this.#crypto.keccak256);
    if (id !== channelId) this.#report("channel_id_mismatch", "the id is not that of the channel's tuple");
    const ours = participantOf(this.#channel, side) === account && signerOf(this.#channel, side) === signer;
    if (!ours) this.#report("channel_foreign", "the node is not the participant it is said to be");
    const peer = signerOf(this.#channel, otherSide(side));
    const { token } = this.#channel;
    if ((filter.peer ?? peer) !== peer || (filter.token ?? token) !== token) {
      this.#report("channel_foreign", "the channel is not what the statement is said to be about");
    }
    const { sent, received, deposited, withdrawn, balance } = opening;
    const expected =
      BigInt(deposited) - BigInt(withdrawn) + BigInt(received.transferred) - BigInt(sent.transferred);
    // A channel that settled before the period is not part of it.
    if (expected !== BigInt(balance)) this.#report("opening_mismatch", "the opening balance does not add up");
  }

  update(record: UpdateRecord): void {
    const check = this.#directions[record.direction];
    const next = nextProof(check.proof, fromHex(record.entries), { crypto: this.#crypto } as LedgerPorts);
    if (BigInt(record.nonce) !== check.proof.nonce + 1n || check.proven) {
      this.#report("update_gap", `update ${record.nonce} does not follow the one before it`);
      return;
    }
    if (!next.ok) {
      this.#report("entries_invalid", `update ${record.nonce} holds what no update may hold: ${next.code}`);
      return;
    }
    check.proof = { ...next.proof, signature: new Uint8Array(0) };
    if (record.beyond !== true) {
      if (check.atEnd.nonce !== next.proof.nonce - 1n) {
        this.#report(
          "update_gap",
          `update ${record.nonce} comes after one that is said to lie behind the period`,
        );
      }
      check.atEnd = check.proof;
      this.#checkTime(record);
    }
    this.#checkPayments(record);
  }

  #checkTime({ time, nonce }: UpdateRecord): void {
    const { from = 0, to = Number.MAX_SAFE_INTEGER } = this.#node.filter;
    if (time < from || time >= to)
      this.#report("outside_period", `update ${nonce} was made at another time than the statement's`);
  }

  /** Every payment listed is one of the update's; without a filter by label every one of them is listed. */
  #checkPayments({ entries, payments, direction, nonce, beyond }: UpdateRecord): void {
    const listed = new Map(payments.map((payment) => [payment.index, payment]));
    if (listed.size !== payments.length) this.#report("payment_mismatch", `update ${nonce} lists one twice`);
    const { label } = this.#node.filter;
    let index = 0;
    for (const transfer of readTransfers(fromHex(entries))) {
      const line = listed.get(index++);
      if (line === undefined) {
        if (label === undefined && beyond !== true)
          this.#report("payments_left_out", `payment ${index - 1} of update ${nonce} is not listed`);
        continue;
      }
      listed.delete(line.index);
      const same =
        BigInt(line.amount) === transfer.amount &&
        line.paymentId === toHex(transfer.paymentId) &&
        line.reference === (transfer.reference && toHex(transfer.reference)) &&
        (line.refund ?? false) === transfer.refund;
      if (!same) this.#report("payment_mismatch", `payment ${line.index} of update ${nonce} was another`);
      this.#count(line, direction, label, beyond);
    }
    if (listed.size > 0)
      this.#report("payment_mismatch", `update ${nonce} lists payments that it does not hold`);
  }

  #count(line: PaymentLine, direction: Direction, label: string | undefined, beyond: true | undefined): void {
    if (beyond === true || (label !== undefined && line.label !== label)) {
      this.#report("payment_mismatch", "a payment is listed that the statement is not about");
      return;
    }
    this.#totals.payments++;
    this.#totals[direction] += BigInt(line.amount);
  }

  proof(record: ProofRecord): void {
    const check = this.#directions[record.direction];
    if (check.proven) this.#report("record_misplaced", "a direction is proven twice");
    check.proven = true;
    const proof: SignedProof = {
      nonce: BigInt(record.nonce),
      transferred: BigInt(record.transferred),
      locked: BigInt(record.locked),
      locksRoot: fromHex(record.locksRoot),
      history: fromHex(record.history),
      signature: fromHex(record.signature),
    };
    const follows =
      proof.nonce === check.proof.nonce &&
      proof.transferred === check.proof.transferred &&
      record.history === toHex(check.proof.history);
    if (!follows) {
      this.#report(
        "history_mismatch",
        `the proof of what was ${record.direction} does not follow from the updates`,
      );
    }
    const signer = signerOf(this.#channel, payerOf(this.record, record.direction));
    const digest = this.#digests.balanceProof(channelIdToBytes(this.record.channelId), proof);
    if (!isSignedBy(addressToBytes(signer), digest, proof.signature, this.#crypto)) {
      this.#report(
        "signature_invalid",
        `the proof of what was ${record.direction} is not signed by its payer`,
      );
    }
  }

  movement({ kind, amount, total, time }: MovementRecord): void {
    const { from = 0, to = Number.MAX_SAFE_INTEGER } = this.#node.filter;
    if (time < from || time >= to) this.#report("outside_period", `a ${kind} was at another time`);
    const moved = BigInt(amount);
    if (kind !== "deposit") {
      this.paidOut.push({ withdrawn: kind === "withdrawal" ? BigInt(total) : undefined, time });
    }
    if (kind === "settlement") {
      if (this.settled !== undefined) this.#report("movement_mismatch", "the channel is settled twice");
      this.settled = moved;
      if (moved !== BigInt(total) || moved < 0n)
        this.#report("movement_mismatch", "a settlement has another total than amount");
      this.#totals.settled += moved;
      return;
    }
    const before = kind === "deposit" ? this.#deposited : this.#withdrawn;
    if (before + moved !== BigInt(total)) {
      this.#report("movement_mismatch", `a ${kind} does not lead to its total`);
    }
    if (kind === "deposit") {
      this.#deposited = BigInt(total);
      follow(this.deposits, this.#deposited, moved);
      this.#totals.deposited += moved;
    } else {
      this.#withdrawn = BigInt(total);
      follow(this.withdrawals, this.#withdrawn, moved);
      this.#totals.withdrawn += moved;
    }
  }

  end({ channelId, closing }: ChannelEndRecord): void {
    if (channelId !== this.record.channelId) this.#report("record_misplaced", "another channel ends here");
    const { sent, received } = this.#directions;
    for (const [direction, check] of [
      ["sent", sent],
      ["received", received],
    ] as const) {
      if (!check.proven && check.proof.nonce > 0n)
        this.#report("proof_missing", `what was ${direction} has no proof`);
    }
    const held = this.#deposited - this.#withdrawn + received.atEnd.transferred - sent.atEnd.transferred;
    if (this.settled !== undefined) this.#totals.settlementLoss += held - this.settled;
    const balance = this.settled === undefined ? held : 0n;
    this.#totals.closing += balance;
    const right =
      BigInt(closing.balance) === balance &&
      BigInt(closing.deposited) === this.#deposited &&
      BigInt(closing.withdrawn) === this.#withdrawn &&
      isAt(closing, "sent", sent.atEnd) &&
      isAt(closing, "received", received.atEnd);
    if (!right) this.#report("closing_mismatch", "the closing state does not follow from the opening one");
  }
}

/** What a reorganisation took back the chain does not show any more. */
function follow(totals: bigint[], total: bigint, moved: bigint): void {
  while (moved < 0n && totals.length > 0 && totals.at(-1)! >= total) totals.pop();
  totals.push(total);
}

function startOf(opening: Standing, direction: Direction): DirectionCheck {
  const { nonce, transferred, history } = opening[direction];
  const proof: SignedProof = {
    ...NO_PROOF,
    nonce: BigInt(nonce),
    transferred: BigInt(transferred),
    history: fromHex(history),
  };
  return { proof, atEnd: proof, proven: false };
}

function isAt(closing: Standing, direction: Direction, proof: SignedProof): boolean {
  const { nonce, transferred, history } = closing[direction];
  return (
    BigInt(nonce) === proof.nonce &&
    BigInt(transferred) === proof.transferred &&
    history === toHex(proof.history)
  );
}
