// Builds test/vectors/escrow.json: node test/contracts/support/escrowVectors.ts
// The file is golden: it is written once per deliberate change of a format, and everything else is checked against it.
import { writeFile } from "node:fs/promises";
import { keccak256, TypedDataEncoder, toBeHex, toUtf8Bytes, Wallet, ZeroAddress, ZeroHash } from "ethers";
import {
  type ChannelTerms,
  channelIdOf,
  domainOf,
  hashLock,
  type Lock,
  locksRootOf,
  packLocks,
  SIGNED_TYPES,
  type SignedType,
} from "./messages.ts";

const CHAIN_ID = 31337n;
const ESCROW = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const TOKEN = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512";
const ACCOUNTS = [
  "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
  "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
] as const;
const SIGNERS = [new Wallet(toBeHex(0x51610n, 32)), new Wallet(toBeHex(0x51611n, 32))] as const;
const MAX_UINT256 = 2n ** 256n - 1n;
const MAX_UINT104 = 2n ** 104n - 1n;

/** Numbers as decimal strings, so that no reader loses digits. */
function decimals(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, v) => (typeof v === "bigint" ? v.toString() : v)));
}

function channels(): { name: string; channel: ChannelTerms }[] {
  const base: ChannelTerms = {
    participant0: ACCOUNTS[0],
    participant1: ACCOUNTS[1],
    signer0: SIGNERS[0].address,
    signer1: SIGNERS[1].address,
    token: TOKEN,
    challengePeriod: 86_400n,
    salt: 1n,
  };
  return [
    { name: "ERC-20, both with a signer of their own", channel: base },
    {
      name: "native coin, participants sign themselves",
      channel: { ...base, token: ZeroAddress, signer0: ZeroAddress, signer1: ZeroAddress },
    },
    {
      name: "longest challenge period, highest salt",
      channel: { ...base, challengePeriod: 2_592_000n, salt: 2n ** 64n - 1n },
    },
    { name: "no challenge period, salt zero", channel: { ...base, challengePeriod: 0n, salt: 0n } },
  ];
}

function lockLists(): { name: string; locks: (Lock & { preimage: string })[] }[] {
  const lock = (id: bigint, amount: bigint, expiry: bigint) => {
    const preimage = keccak256(toUtf8Bytes(`preimage ${id}`));
    return { id, amount, expiry, preimage, hash: hashLock(preimage) };
  };
  return [
    { name: "none: the root is zero", locks: [] },
    { name: "one", locks: [lock(1n, 1_000n, 1_800_000_000n)] },
    {
      name: "three with gaps between the ids",
      locks: [lock(2n, 1n, 1_800_000_000n), lock(5n, 20n, 1_700_000_000n), lock(9n, 300n, 1_900_000_000n)],
    },
    { name: "widest values", locks: [lock(2n ** 64n - 1n, 2n ** 128n - 1n, 2n ** 40n - 1n)] },
    {
      name: "as many as there may be",
      locks: Array.from({ length: 64 }, (_, i) =>
        lock(BigInt(i + 1), BigInt(i) * 7n, 1_800_000_000n + BigInt(i)),
      ),
    },
  ];
}

function messages(channelId: string): { type: SignedType; message: Record<string, unknown> }[] {
  const list = lockLists()[2]!.locks;
  const plain = {
    channelId,
    nonce: 1n,
    transferred: 1n,
    locked: 0n,
    locksRoot: ZeroHash,
    history: keccak256("0x01"),
  };
  const locked = {
    channelId,
    nonce: 2n ** 64n - 1n,
    transferred: 2n ** 128n - 1n,
    locked: 321n,
    locksRoot: locksRootOf(list),
    history: keccak256("0x02"),
  };
  return [
    { type: "BalanceProof", message: plain },
    { type: "BalanceProof", message: locked },
    { type: "Endorsement", message: plain },
    { type: "Endorsement", message: locked },
    {
      type: "Withdrawal",
      message: { channelId, participant: ACCOUNTS[0], totalWithdrawn: 123_456n, deadline: 1_800_000_000n },
    },
    {
      type: "CooperativeClose",
      message: { channelId, transferred0: 5n, transferred1: MAX_UINT256, deadline: 1_800_000_000n },
    },
    { type: "StartClose", message: { channelId, deadline: 1_800_000_000n } },
  ];
}

/** One message, its hashes on the way to the digest, and participant 0's signer's signature of it. */
async function signed({ type, message }: { type: SignedType; message: Record<string, unknown> }) {
  const encoder = TypedDataEncoder.from({ [type]: SIGNED_TYPES[type] });
  const types = { [type]: SIGNED_TYPES[type] };
  return {
    type,
    encodedType: encoder.encodeType(type),
    typeHash: keccak256(toUtf8Bytes(encoder.encodeType(type))),
    message,
    structHash: encoder.hash(message),
    digest: TypedDataEncoder.hash(domainOf(CHAIN_ID, ESCROW), types, message),
    privateKey: SIGNERS[0].privateKey,
    signer: SIGNERS[0].address,
    signature: await SIGNERS[0].signTypedData(domainOf(CHAIN_ID, ESCROW), types, message),
  };
}

type Settlement = Record<
  "deposit0" | "deposit1" | "withdrawn0" | "withdrawn1" | "transferred0" | "transferred1",
  bigint
>;

/** The formula of the contract in unbounded integers, which need no saturation. */
export function sharesOf(s: Settlement): { share0: bigint; share1: bigint } {
  const total = s.deposit0 + s.deposit1 - s.withdrawn0 - s.withdrawn1;
  const net = s.deposit0 - s.withdrawn0 + s.transferred1 - s.transferred0;
  const share0 = net < 0n ? 0n : net > total ? total : net;
  return { share0, share1: total - share0 };
}

function settlements() {
  const make = (name: string, v: [bigint, bigint, bigint, bigint, bigint, bigint]) => {
    const [deposit0, deposit1, withdrawn0, withdrawn1, transferred0, transferred1] = v;
    const inputs = { deposit0, deposit1, withdrawn0, withdrawn1, transferred0, transferred1 };
    return { name, ...inputs, ...sharesOf(inputs) };
  };
  return [
    make("nothing was paid", [1_000n, 500n, 0n, 0n, 0n, 0n]),
    make("both paid", [1_000n, 500n, 0n, 0n, 700n, 100n]),
    make("all to participant 1", [1_000n, 500n, 0n, 0n, 1_000n, 0n]),
    make("all to participant 0", [1_000n, 500n, 0n, 0n, 0n, 500n]),
    make("participant 0 overspent", [1_000n, 500n, 0n, 0n, 1_001n, 0n]),
    make("participant 1 overspent", [1_000n, 500n, 0n, 0n, 0n, 501n]),
    make("a withdrawal beyond the own deposit that was paid", [1_000n, 500n, 0n, 900n, 600n, 0n]),
    make("a withdrawal beyond the own deposit that was not paid", [1_000n, 500n, 0n, 900n, 0n, 0n]),
    make("everything was withdrawn", [1_000n, 500n, 600n, 900n, 400n, 0n]),
    make("only one side deposited", [0n, 500n, 0n, 0n, 0n, 123n]),
    make("the largest channel, all to 1", [MAX_UINT104, MAX_UINT104, 0n, 0n, 2n ** 128n - 1n, 0n]),
    make("the largest channel, all to 0", [MAX_UINT104, MAX_UINT104, 0n, 0n, 0n, MAX_UINT256]),
    make("only the difference counts", [1_000n, 500n, 0n, 0n, MAX_UINT256, MAX_UINT256 - 10n]),
    make("one unit", [1n, 0n, 0n, 0n, 1n, 0n]),
  ];
}

export async function buildVectors(): Promise<unknown> {
  const domain = domainOf(CHAIN_ID, ESCROW);
  const named = channels().map((c) => ({ ...c, channelId: channelIdOf(CHAIN_ID, ESCROW, c.channel) }));
  return decimals({
    about:
      "Golden vectors of the escrow, shared by Solidity and TypeScript. Numbers are decimal strings, bytes are hex. Everything belongs to this chain id and this escrow.",
    chainId: CHAIN_ID,
    escrow: ESCROW,
    domain: { name: domain.name, version: domain.version, separator: TypedDataEncoder.hashDomain(domain) },
    channels: named,
    signed: await Promise.all(messages(named[0]!.channelId).map(signed)),
    lockLists: lockLists().map(({ name, locks }) => ({
      name,
      locks,
      packed: packLocks(locks),
      root: locksRootOf(locks),
      sum: locks.reduce((sum, l) => sum + l.amount, 0n),
    })),
    settlements: settlements(),
  });
}

if (process.argv[1] === import.meta.filename) {
  const path = new URL("../../vectors/escrow.json", import.meta.url);
  await writeFile(path, `${JSON.stringify(await buildVectors(), null, 2)}\n`);
}
