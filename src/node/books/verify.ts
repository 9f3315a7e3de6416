import {
  addressToBytes,
  Digests,
  fromHex,
  type Crypto as HashesAndCurve,
  isSignedBy,
  ZERO_ADDRESS,
} from "../../protocol/index.ts";
import { ChannelCheck, type Finding } from "./channelCheck.ts";
import { linesOf } from "./lines.ts";
import { PayoutCheck, type ShownPayout } from "./payoutCheck.ts";
import { Seal } from "./seal.ts";
import {
  type EndRecord,
  type NodeRecord,
  STATEMENT_CLOSE,
  STATEMENT_OPEN,
  type StatementRecord,
  type TotalsRecord,
} from "./statementRecord.ts";
import { parseRecord } from "./statementSchema.ts";
import { TotalsByToken } from "./totals.ts";

/** Findings kept: a forged statement could have one per line. */
const MAX_FINDINGS = 100;

/** What a chain shows of a channel; each list holds the running totals in their order, from 0. */
export interface ChainEvidence {
  readonly deposits: readonly bigint[];
  readonly withdrawals: readonly bigint[];
  /** What the settlement paid the participant. */
  readonly settled: bigint | undefined;
}

/** Asks a chain. */
export interface AskChain {
  /** About one participant's money in a channel. */
  channel(node: NodeRecord, channelId: string, participant: string, side: 0 | 1): Promise<ChainEvidence>;
  /** About payouts to the node's account that were refused, and their fetching; in the chain's order. */
  payouts(node: NodeRecord): Promise<readonly ShownPayout[]>;
}

export interface VerifyOptions {
  readonly crypto: HashesAndCurve;
  /** Without it the chain's part is taken on trust, and the report says so. */
  readonly chain?: AskChain | undefined;
  readonly onProgress?: (checked: { readonly channels: number; readonly payments: number }) => void;
}

/** What a check of a statement came to. */
export interface VerificationReport {
  /** Nothing was found wrong. */
  readonly valid: boolean;
  readonly findings: readonly Finding[];
  /** Findings beyond those listed. */
  readonly more: number;
  readonly node: NodeRecord | undefined;
  readonly channels: number;
  readonly payments: number;
  /** As added up by the check itself. */
  readonly totals: readonly TotalsRecord[];
  /** Whether deposits, withdrawals, settlements and refused payouts were compared with the chain. */
  readonly chainChecked: boolean;
}

/**
 * Checks a statement with nothing but its text and, if given, a chain: tuples against channel ids, every update against
 * its direction's history, the newest proof's signature, that no payment is left out or made up, all sums, and the seal.
 * Never throws for what the text holds; whatever is wrong is a finding.
 */
export async function verifyStatement(
  text: AsyncIterable<string | Uint8Array>,
  options: VerifyOptions,
): Promise<VerificationReport> {
  const check = new StatementCheck(options);
  try {
    for await (const line of linesOf(text)) await check.line(line);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    check.report("not_a_statement", error.message);
  }
  return check.finish();
}

class StatementCheck {
  readonly #options: VerifyOptions;
  readonly #findings: Finding[] = [];
  readonly #totals = new TotalsByToken();
  readonly #seal: Seal;
  readonly #told: TotalsRecord[] = [];
  #more = 0;
  #opened = false;
  #closed = false;
  #node: NodeRecord | undefined;
  #digests: Digests | undefined;
  #channel: ChannelCheck | undefined;
  #payouts: PayoutCheck | undefined;
  readonly #channels = new Set<string>();
  #end: EndRecord | undefined;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#seal = new Seal(options.crypto.keccak256);
  }

  report(
    code: Finding["code"],
    message: string,
    channelId: string | undefined = this.#channel?.record.channelId,
  ): void {
    if (this.#findings.length >= MAX_FINDINGS) this.#more++;
    else this.#findings.push({ code, message, channelId });
  }

  async line(line: string): Promise<void> {
    if (!this.#opened) {
      if (line !== STATEMENT_OPEN)
        this.report("not_a_statement", "the text does not begin as a statement does");
      this.#opened = true;
      return;
    }
    if (line === STATEMENT_CLOSE && this.#end !== undefined && !this.#closed) {
      this.#closed = true;
      return;
    }
    const body = line.endsWith(",") ? line.slice(0, -1) : line;
    const record = parseRecord(body);
    if (record === undefined) {
      this.report("record_invalid", `a line is no record: ${body.slice(0, 60)}`);
      return;
    }
    if (this.#end !== undefined) this.report("record_misplaced", "something follows the end");
    if (record.type === "end") this.#end = record;
    else this.#seal.add(body);
    await this.#take(record);
  }

  async #take(record: StatementRecord): Promise<void> {
    if ((record.type === "node") !== (this.#node === undefined)) {
      this.report("record_misplaced", "a statement begins with its node, and has one");
      return;
    }
    switch (record.type) {
      case "node":
        this.#node = record;
        this.#payouts = await this.#payoutCheck(record);
        this.#digests = new Digests(BigInt(record.chainId), record.escrow, this.#options.crypto.keccak256);
        return;
      case "channel":
        this.#begin(record);
        return;
      case "update":
      case "proof":
      case "movement":
        this.#within(record);
        return;
      case "channelEnd":
        await this.#endChannel(record);
        return;
      case "gas":
        this.#totals.of(ZERO_ADDRESS).gas += BigInt(record.amount);
        return;
      case "drawing":
        this.#totals.of(record.token).drawn += BigInt(record.amount);
        return;
      case "payout":
        this.#totals.of(record.token)[record.kind] += BigInt(record.amount);
        this.#payouts?.take(record);
        return;
      case "totals":
        this.#told.push(record);
        return;
      case "end":
        return;
    }
  }

  async #payoutCheck(node: NodeRecord): Promise<PayoutCheck | undefined> {
    const shown = await this.#options.chain?.payouts(node);
    return shown && new PayoutCheck(node, shown, (...finding) => this.report(...finding));
  }

  #begin(record: Extract<StatementRecord, { type: "channel" }>): void {
    if (this.#channel !== undefined) this.report("record_misplaced", "a channel begins within another");
    if (this.#channels.has(record.channelId)) this.report("record_misplaced", "a channel is listed twice");
    this.#channels.add(record.channelId);
    const ports = { crypto: this.#options.crypto, digests: this.#digests! };
    const totals = this.#totals.of(record.token);
    this.#channel = new ChannelCheck(record, this.#node!, ports, totals, (code, message) =>
      this.report(code, message, record.channelId),
    );
  }

  #within(record: Extract<StatementRecord, { type: "update" | "proof" | "movement" }>): void {
    const channel = this.#channel;
    if (channel === undefined) this.report("record_misplaced", "a record belongs to no channel");
    else if (record.type === "update") channel.update(record);
    else if (record.type === "proof") channel.proof(record);
    else channel.movement(record);
  }

  async #endChannel(record: Extract<StatementRecord, { type: "channelEnd" }>): Promise<void> {
    const channel = this.#channel;
    if (channel === undefined) {
      this.report("record_misplaced", "no channel has begun that could end");
      return;
    }
    channel.end(record);
    await this.#compare(channel);
    this.#payouts?.channel(channel);
    this.#channel = undefined;
    let payments = 0;
    for (const totals of this.#totals.records()) payments += totals.payments;
    this.#options.onProgress?.({ channels: this.#channels.size, payments });
  }

  /** Every total the statement tells must be one the chain has shown, in the same order. */
  async #compare(channel: ChannelCheck): Promise<void> {
    const { chain } = this.#options;
    if (chain === undefined) return;
    const { channelId, side, participants } = channel.record;
    const shown = await chain.channel(this.#node!, channelId, participants[side], side);
    if (!isSubsequence(channel.deposits, shown.deposits)) {
      this.report("chain_mismatch", "the chain never showed these deposits");
    }
    if (!isSubsequence(channel.withdrawals, shown.withdrawals)) {
      this.report("chain_mismatch", "the chain never showed these withdrawals");
    }
    if (channel.settled !== undefined && channel.settled !== shown.settled) {
      this.report("chain_mismatch", "the chain settled this channel otherwise, or not yet");
    }
  }

  finish(): VerificationReport {
    if (!this.#opened || this.#node === undefined)
      this.report("not_a_statement", "the text holds no statement");
    if (this.#channel !== undefined) this.report("record_misplaced", "a channel does not end");
    this.#checkSeal();
    this.#payouts?.finish();
    const totals = this.#totals.records();
    if (JSON.stringify(totals) !== JSON.stringify(this.#told)) {
      this.report("totals_mismatch", "the totals told are not those of the records");
    }
    if (this.#node?.filter.label === undefined) this.#checkSums(totals);
    return {
      valid: this.#findings.length === 0,
      findings: this.#findings,
      more: this.#more,
      node: this.#node,
      channels: this.#channels.size,
      payments: totals.reduce((sum, { payments }) => sum + payments, 0),
      totals,
      chainChecked: this.#options.chain !== undefined,
    };
  }

  #checkSeal(): void {
    const end = this.#end;
    const whole =
      end !== undefined &&
      this.#closed &&
      end.records === this.#seal.records &&
      end.hash === this.#seal.hash &&
      this.#node !== undefined &&
      isSignedBy(
        addressToBytes(this.#node.signer),
        this.#digests!.statement(this.#seal.bytes),
        fromHex(end.signature),
        this.#options.crypto,
      );
    if (!whole) this.report("seal_broken", "the statement was cut short or changed after its node signed it");
  }

  /** What was there, plus what came, less what went, is what is there. */
  #checkSums(totals: readonly TotalsRecord[]): void {
    for (const of of totals) {
      const came = BigInt(of.opening) + BigInt(of.deposited) + BigInt(of.received);
      const went = BigInt(of.withdrawn) + BigInt(of.sent) + BigInt(of.settled) + BigInt(of.settlementLoss);
      if (came - went !== BigInt(of.closing))
        this.report("totals_mismatch", `the books of ${of.token} do not balance`);
    }
  }
}

function isSubsequence(told: readonly bigint[], shown: readonly bigint[]): boolean {
  let at = 0;
  for (const total of told) {
    while (at < shown.length && shown[at] !== total) at++;
    if (at === shown.length) return false;
  }
  return true;
}
