import {
  addressFromBytes,
  addressToBytes,
  type Credits,
  fromMinimalBytes,
  type LiveWithdrawal,
  type Phase,
  type Side,
  type SignedClose,
  type Stop,
  type Terms,
  toMinimalBytes,
} from "../protocol/index.ts";
import { encodeGenerated } from "../wire/generatedCodec.ts";
import {
  type StoredAgreement,
  type StoredChain,
  type StoredCredits,
  type StoredStop,
  StoredTerms,
  type StoredWithdrawal,
} from "./generated/channel.ts";

const PHASES: readonly Phase[] = ["opening", "open", "closing", "settled"];

/** Thrown for a record this version cannot have written: the database is damaged or foreign. */
export class RecordError extends Error {
  readonly code = "record_invalid";
}

/** The generated codecs want arrays over a plain buffer, which is what every array here is. */
function field(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

function amountField(value: bigint): Uint8Array<ArrayBuffer> {
  return field(toMinimalBytes(value));
}

function amount(bytes: Uint8Array): bigint {
  const value = fromMinimalBytes(bytes);
  if (value === undefined) throw new RecordError("an amount in a channel record is not minimal");
  return value;
}

export function encodeTerms(terms: Terms, behind: Uint8Array): Uint8Array {
  const { channel, stop } = terms;
  return encodeGenerated(StoredTerms.codec(), {
    participant0: field(addressToBytes(channel.participant0)),
    participant1: field(addressToBytes(channel.participant1)),
    signer0: field(addressToBytes(channel.signer0)),
    signer1: field(addressToBytes(channel.signer1)),
    token: field(addressToBytes(channel.token)),
    challengePeriod: channel.challengePeriod,
    salt: channel.salt,
    phase: PHASES.indexOf(terms.phase),
    announced: storedCredits(terms.announced),
    credited: storedCredits(terms.credited),
    chain: storedChain(terms),
    withdrawals: terms.withdrawals.map(storedWithdrawal),
    stop: stop === undefined ? undefined : storedStop(stop),
    behind: field(behind),
    haltedSince: terms.haltedSince,
  });
}

export function decodeTerms(bytes: Uint8Array): { readonly terms: Terms; readonly behind: Uint8Array } {
  const stored = StoredTerms.decode(bytes);
  const phase = PHASES[stored.phase];
  const { announced, credited, chain } = stored;
  if (phase === undefined || announced === undefined || credited === undefined || chain === undefined) {
    throw new RecordError("a channel record lacks a part");
  }
  const terms: Terms = {
    channel: {
      participant0: addressFromBytes(stored.participant0),
      participant1: addressFromBytes(stored.participant1),
      signer0: addressFromBytes(stored.signer0),
      signer1: addressFromBytes(stored.signer1),
      token: addressFromBytes(stored.token),
      challengePeriod: stored.challengePeriod,
      salt: stored.salt,
    },
    phase,
    announced: readCredits(announced),
    credited: readCredits(credited),
    chain: readChain(chain),
    withdrawals: stored.withdrawals.map(readWithdrawal),
    stop: stored.stop === undefined ? undefined : readStop(stored.stop),
    haltedSince: stored.haltedSince,
  };
  return { terms, behind: stored.behind };
}

/** Terms begin with four addresses, as fields 1 to 4 of 20 bytes each: participants, then signers. */
const ADDRESS_BYTES = 20;
const ADDRESS_FIELD = 2 + ADDRESS_BYTES;

/**
 * The effective signer of `side`, read from the terms' fixed beginning: a start with many channels reads nothing else.
 * Throws `RecordError` when the beginning is another.
 */
export function signerInTerms(bytes: Uint8Array, side: Side): Uint8Array {
  for (let field = 0; field < 4; field++) {
    const at = field * ADDRESS_FIELD;
    // The key of a bytes field and its length.
    if (bytes[at] !== ((field + 1) << 3) + 2 || bytes[at + 1] !== ADDRESS_BYTES) {
      throw new RecordError("a channel record does not begin with its addresses");
    }
  }
  const signer = addressField(bytes, 2 + side);
  return signer.some((byte) => byte !== 0) ? signer : addressField(bytes, side);
}

function addressField(bytes: Uint8Array, field: number): Uint8Array {
  return bytes.subarray(field * ADDRESS_FIELD + 2, (field + 1) * ADDRESS_FIELD);
}

function storedCredits(credits: Credits): StoredCredits {
  return {
    deposit0: amountField(credits.deposits[0]),
    deposit1: amountField(credits.deposits[1]),
    withdrawn0: amountField(credits.withdrawn[0]),
    withdrawn1: amountField(credits.withdrawn[1]),
    closeLive: credits.closeLive,
    sequence: credits.sequence,
  };
}

function readCredits(stored: StoredCredits): Credits {
  return {
    deposits: [amount(stored.deposit0), amount(stored.deposit1)],
    withdrawn: [amount(stored.withdrawn0), amount(stored.withdrawn1)],
    closeLive: stored.closeLive,
    sequence: stored.sequence,
  };
}

function storedChain({ chain }: Terms): StoredChain {
  return {
    deposit0: amountField(chain.deposits[0]),
    deposit1: amountField(chain.deposits[1]),
    withdrawn0: amountField(chain.withdrawn[0]),
    withdrawn1: amountField(chain.withdrawn[1]),
    close:
      chain.close === undefined
        ? undefined
        : {
            deadline: chain.close.deadline,
            recorded0: chain.close.recorded[0],
            recorded1: chain.close.recorded[1],
          },
    settled:
      chain.settled === undefined
        ? undefined
        : {
            share0: amountField(chain.settled.shares[0]),
            share1: amountField(chain.settled.shares[1]),
          },
  };
}

function readChain(stored: StoredChain): Terms["chain"] {
  const { close, settled } = stored;
  return {
    deposits: [amount(stored.deposit0), amount(stored.deposit1)],
    withdrawn: [amount(stored.withdrawn0), amount(stored.withdrawn1)],
    close:
      close === undefined
        ? undefined
        : { deadline: close.deadline, recorded: [close.recorded0, close.recorded1] },
    settled: settled === undefined ? undefined : { shares: [amount(settled.share0), amount(settled.share1)] },
  };
}

function storedWithdrawal(withdrawal: LiveWithdrawal): StoredWithdrawal {
  return {
    beneficiary: withdrawal.beneficiary,
    total: amountField(withdrawal.total),
    deadline: withdrawal.deadline,
    signature0: field(withdrawal.signatures[0]),
    signature1: field(withdrawal.signatures[1]),
  };
}

function readWithdrawal(stored: StoredWithdrawal): LiveWithdrawal {
  return {
    beneficiary: stored.beneficiary === 0 ? 0 : 1,
    total: amount(stored.total),
    deadline: stored.deadline,
    signatures: [stored.signature0.slice(), stored.signature1.slice()],
  };
}

function storedStop(stop: Stop): StoredStop {
  return {
    wanted: stop.wanted,
    ours: stop.ours,
    theirs: stop.theirs,
    signed: stop.signed === undefined ? undefined : storedAgreement(stop.signed),
  };
}

function storedAgreement(close: SignedClose): StoredAgreement {
  return {
    transferred0: amountField(close.transferred0),
    transferred1: amountField(close.transferred1),
    deadline: close.deadline,
    signature0: field(close.signatures[0]),
    signature1: field(close.signatures[1]),
  };
}

function readStop(stored: StoredStop): Stop {
  const { signed } = stored;
  return {
    wanted: stored.wanted,
    ours: stored.ours,
    theirs: stored.theirs,
    signed:
      signed === undefined
        ? undefined
        : {
            transferred0: amount(signed.transferred0),
            transferred1: amount(signed.transferred1),
            deadline: signed.deadline,
            signatures: [signed.signature0.slice(), signed.signature1.slice()],
          },
  };
}
