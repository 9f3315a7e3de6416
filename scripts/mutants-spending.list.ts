import type { Mutant } from "./lib/mutants.ts";

const ACCOUNT = "node/limits/account.ts";
const CAPS = "node/limits/caps.ts";
const COUNTERS = "node/limits/counters.ts";
const FREEZE = "node/limits/freeze.ts";
const GATE = "node/limits/gate.ts";
const APPROVALS = "node/limits/approvals.ts";
const SPENDER = "node/limits/spender.ts";
const VELOCITY = "node/limits/velocity.ts";
const VERDICT = "node/limits/verdict.ts";
const WINDOW = "node/limits/window.ts";
const PAID_ONCE = "node/paidOnce.ts";
const PAYING = "api/paying.ts";
const REQUEST_PAYER = "node/requests/requestPayer.ts";

/** Every one of these would let somebody spend what was not granted, or pay twice; the tests must notice each. */
export const MUTANTS: readonly Mutant[] = [
  // Caps
  {
    name: "per-payment-unchecked",
    file: CAPS,
    find: "caps.perPayment !== undefined && amount > caps.perPayment",
    replace: "caps.perPayment === -1n",
  },
  {
    name: "cap-one-too-much",
    file: CAPS,
    find: "spent[rule] + amount > limit)",
    replace: "spent[rule] >= limit)",
  },
  {
    name: "total-unchecked",
    file: CAPS,
    find: 'for (const rule of [...PERIODS, "total"] as const) {\n    const limit',
    replace: "for (const rule of PERIODS) {\n    const limit",
  },
  {
    name: "total-unremembered",
    file: CAPS,
    find: "|| caps.total !== undefined",
    replace: "|| false",
  },
  // What was spent
  {
    name: "hold-not-counted",
    file: ACCOUNT,
    find: "    this.#total += amount;\n    this.#used",
    replace: "    this.#used",
  },
  {
    name: "lease-forgotten",
    file: ACCOUNT,
    find: 'BigInt(stored?.total ?? "0") + leased',
    replace: 'BigInt(stored?.total ?? "0")',
  },
  {
    name: "lease-not-in-windows",
    file: ACCOUNT,
    find: "this.#windows[period].add(now, leased);",
    replace: "",
  },
  {
    name: "never-covered",
    file: ACCOUNT,
    find: "while (this.#used > this.#leased)",
    replace: "while (false)",
  },
  { name: "unsynced", file: ACCOUNT, find: "stored, { sync: true }", replace: "stored, { sync: false }" },
  {
    name: "release-refills-the-lease",
    file: ACCOUNT,
    find: "    this.#total -= amount;\n",
    replace: "    this.#total -= amount;\n    this.#used -= amount;\n",
  },
  { name: "release-not-counted-back", file: ACCOUNT, find: "    this.#total -= amount;\n", replace: "" },
  {
    name: "window-too-short",
    file: WINDOW,
    find: "new Array<bigint>(BUCKETS + 1)",
    replace: "new Array<bigint>(BUCKETS)",
  },
  {
    name: "clock-back-forgets",
    file: WINDOW,
    find: "if (now <= this.#newest) return;",
    replace: "if (now === this.#newest) return;",
  },
  {
    name: "two-accounts-of-one",
    file: COUNTERS,
    find: "this.#opening.set(key, opening);",
    replace: "",
  },
  // The gate
  {
    name: "payees-unchecked",
    file: SPENDER,
    find: "(payees !== undefined && !payees.has(peer))",
    replace: "(payees !== undefined && payees.size === 0)",
  },
  {
    name: "tokens-unchecked",
    file: SPENDER,
    find: "(budgets !== undefined && budget === undefined)",
    replace: "(budgets !== undefined && budgets.length === 0)",
  },
  {
    name: "ancestors-do-not-count",
    file: SPENDER,
    find: "one !== undefined; one = one.parent",
    replace: "one !== undefined; one = undefined",
  },
  {
    name: "peer-limits-do-not-count",
    file: GATE,
    find: "if (ofPeer !== undefined) guarded.push",
    replace: "if (false) guarded.push",
  },
  {
    name: "node-limits-do-not-count",
    file: GATE,
    find: "if (node !== undefined) guarded.push",
    replace: "if (false) guarded.push",
  },
  {
    name: "pays-before-it-is-on-disk",
    file: GATE,
    find: "for (const { account, caps } of guarded) await account.cover(caps);",
    replace: "for (const { account, caps } of guarded) void account.cover(caps);",
  },
  {
    name: "checked-and-counted-apart",
    file: GATE,
    find: "    if (verdict !== undefined) return this.#rulings.refuse(wanted, verdict);\n",
    replace:
      "    if (verdict !== undefined) return this.#rulings.refuse(wanted, verdict);\n    await undefined;\n",
  },
  {
    name: "unknown-outcome-is-given-back",
    file: GATE,
    find: "if (isUnsent(error, order.signal)) held.release();",
    replace: "held.release();",
  },
  {
    name: "unsent-is-charged",
    file: GATE,
    find: "if (isUnsent(error, order.signal)) held.release();",
    replace: "",
  },
  {
    name: "frozen-while-waiting-pays",
    file: GATE,
    find: "  #assertStillAllowed(spender: Spender | undefined): void {\n    this.#freeze.assertThawed();",
    replace: "  #assertStillAllowed(spender: Spender | undefined): void {",
  },
  { name: "ended-while-waiting-pays", file: GATE, find: "    spender?.assertLive?.();", replace: "" },
  {
    name: "returned-payment-is-charged-twice",
    file: GATE,
    find: "    if (isReturned) {\n      held.release();",
    replace: "    if (isReturned) {",
  },
  // Freezing and approvals
  {
    name: "freeze-after-the-disk",
    file: FREEZE,
    find: "if (this.#state === undefined) return;",
    replace: "if (!this.#isDurable) return;",
  },
  {
    name: "thaw-wins",
    file: FREEZE,
    find: "    if (this.#thawing !== thawing) return;\n",
    replace: "",
  },
  {
    name: "freeze-unsynced",
    file: FREEZE,
    find: "this.#state, { sync: true }",
    replace: "this.#state, { sync: false }",
  },
  {
    name: "approval-of-any-amount",
    file: VERDICT,
    find: "if (known.amount !== amount) throw conflict(known.paymentId);",
    replace: "",
  },
  {
    name: "waiting-is-approved",
    file: VERDICT,
    find: 'if (known.state === "approved") return undefined;',
    replace: 'if (known.state !== "denied") return undefined;',
  },
  { name: "expired-is-approved", file: APPROVALS, find: "if (!over ||", replace: "if (true ||" },
  {
    name: "approval-waives-budgets",
    file: VERDICT,
    find: 'if (rule !== "budget") continue;',
    replace: "if (rule !== undefined) continue;",
  },
  {
    name: "velocity-off",
    file: VELOCITY,
    find: "return recent > allowed ?",
    replace: "return recent > allowed * 1000n ?",
  },
  {
    name: "refused-becomes-usual",
    file: VELOCITY,
    find: "this.#window.remove(bucket, amount);",
    replace: "",
  },
  // Once
  {
    name: "id-of-any-amount",
    file: PAID_ONCE,
    find: "if (paid.amount !== amount) throw conflict(id!);",
    replace: "",
  },
  {
    name: "index-unread",
    file: PAID_ONCE,
    find: "if (bytes === undefined) return undefined;",
    replace: "if (amount !== undefined) return undefined;",
  },
  {
    name: "together-is-twice",
    file: PAID_ONCE,
    find: "if (name !== undefined) this.#pending.set(name, { amount: order.amount, place });",
    replace: "",
  },
  {
    name: "choice-forgotten",
    file: PAYING,
    find: "await node.records.put(KEYS, name, { asked, channelId } satisfies KeyRecord, { sync: true });",
    replace: "",
  },
  {
    name: "key-of-any-payment",
    file: PAYING,
    find: "if (known !== undefined && known.asked !== asked) throw conflict(name);",
    replace: "",
  },
  {
    name: "callers-share-keys",
    file: PAYING,
    find: "paymentIdOf(caller.accessTokenId, idempotencyKey)",
    replace: 'paymentIdOf("", idempotencyKey)',
  },
  {
    name: "unbounded-waiting",
    file: "api/perCaller.ts",
    find: "if (count >= this.most) return undefined;",
    replace: "",
  },
  {
    name: "waiting-of-each-child",
    file: "api/perCaller.ts",
    find: "const by = answererOf(spender);",
    replace: 'const by = spender?.id ?? "";',
  },
  {
    name: "send-past-the-brake",
    file: "node/sends/namedTransaction.ts",
    find: "held?.assertStillAllowed();",
    replace: "",
  },
  {
    name: "request-intent-unwritten",
    file: REQUEST_PAYER,
    find: "await records.put(NAMESPACE.intent, key, intent, { sync: true });",
    replace: "",
  },
  {
    name: "request-of-any-network",
    file: REQUEST_PAYER,
    find: "if (terms.chainId !== chainId || terms.escrow !== escrow.address) {",
    replace: "if (false) {",
  },
  {
    name: "refused-request-stays-fixed",
    file: REQUEST_PAYER,
    find: "if (code !== undefined && REFUSED.has(code))",
    replace: 'if (code === "")',
  },
];
