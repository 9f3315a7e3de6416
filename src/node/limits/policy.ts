import { bigintsAsText } from "../../chain/journal.ts";
import type { Address } from "../../protocol/index.ts";
import { NodeError } from "../error.ts";
import type { Records } from "../records.ts";
import { type Caps, capsOfText, LIMIT_CAPS } from "./caps.ts";

/** What is done with a payment that trips a rule: refused; held for approval; refused, and all spending frozen. */
export type OnTrip = "refuse" | "hold" | "freeze";

export interface SpendingLimits extends Caps {
  /** Most of our own money in one channel: deposit plus received less sent and withdrawn. */
  readonly perChannel?: bigint | undefined;
}

export interface PeerLimits extends SpendingLimits {
  readonly peer: Address;
}

export interface VelocityAlarm {
  readonly windowSeconds: number;
  readonly times: number;
  readonly floor: readonly { readonly token: Address; readonly amount: bigint }[];
  readonly onTrip: OnTrip;
}

/** The node's own spending policy. */
export interface LimitsPolicy {
  /** At most one per token. */
  readonly node: readonly SpendingLimits[];
  /** At most one per peer and token. */
  readonly peers: readonly PeerLimits[];
  readonly velocity?: VelocityAlarm | undefined;
  readonly onLimit: OnTrip;
}

const NO_POLICY: LimitsPolicy = { node: [], peers: [], onLimit: "refuse" };

const NAMESPACE = "limits";
const KEY = "policy";

/** The policy in force, as a lookup. */
export class PolicyBook {
  readonly policy: LimitsPolicy;
  readonly #node = new Map<Address, SpendingLimits>();
  readonly #peers = new Map<string, PeerLimits>();
  readonly #floors = new Map<Address, bigint>();

  /** Throws `option_invalid` for two limits of one thing: nobody could say which counts. */
  constructor(policy: LimitsPolicy) {
    this.policy = policy;
    for (const limits of policy.node)
      once(this.#node, limits.token, limits, `two limits for ${limits.token}`);
    for (const limits of policy.peers) {
      const { peer, token } = limits;
      once(this.#peers, `${peer}/${token}`, limits, `two limits for ${token} with ${peer}`);
    }
    for (const { token, amount } of policy.velocity?.floor ?? []) {
      once(this.#floors, token, amount, `two floors for ${token}`);
    }
  }

  ofNode(token: Address): SpendingLimits | undefined {
    return this.#node.get(token);
  }

  ofPeer(peer: Address, token: Address): PeerLimits | undefined {
    return this.#peers.get(`${peer}/${token}`);
  }

  /** Most of our own money in one channel, by the tighter of its two rules. */
  exposure(peer: Address, token: Address): { readonly rule: string; readonly limit: bigint } | undefined {
    const node = this.ofNode(token)?.perChannel;
    const ofPeer = this.ofPeer(peer, token)?.perChannel;
    if (ofPeer !== undefined && (node === undefined || ofPeer < node)) {
      return { rule: "peer.perChannel", limit: ofPeer };
    }
    return node === undefined ? undefined : { rule: "node.perChannel", limit: node };
  }

  floorOf(token: Address): bigint {
    return this.#floors.get(token) ?? 0n;
  }
}

function once<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, reason: string): void {
  if (map.has(key)) throw new NodeError({ code: "option_invalid", fields: { option: "limits", reason } });
  map.set(key, value);
}

/** Amounts as JSON has them, decimal strings. */
type Stored<Value> = Value extends bigint
  ? string
  : Value extends string | number
    ? Value
    : { readonly [Key in keyof Value]: Stored<Value[Key]> };

/** The policy on disk, or none. */
export async function readPolicy(records: Records): Promise<PolicyBook> {
  const stored = await records.get<Stored<LimitsPolicy>>(NAMESPACE, KEY);
  if (stored === undefined) return new PolicyBook(NO_POLICY);
  const { velocity } = stored;
  return new PolicyBook({
    node: stored.node.map(({ token, ...caps }) => ({ token, ...capsOfText(LIMIT_CAPS, caps) })),
    peers: stored.peers.map(({ peer, token, ...caps }) => ({ peer, token, ...capsOfText(LIMIT_CAPS, caps) })),
    onLimit: stored.onLimit,
    ...(velocity && {
      velocity: {
        ...velocity,
        floor: velocity.floor.map(({ token, amount }) => ({ token, amount: BigInt(amount) })),
      },
    }),
  });
}

export async function writePolicy(records: Records, policy: LimitsPolicy): Promise<void> {
  const text = JSON.stringify(policy, bigintsAsText);
  await records.put(NAMESPACE, KEY, JSON.parse(text), { sync: true });
}
