import { amount, grouped } from "./format.ts";
import { CHALLENGE_PERIOD, type Stage } from "./stage.ts";
import { arrived, payRun } from "./streaming.ts";
import { eventually } from "./wait.ts";

export interface CheatResult {
  /** What the cheat paid after his backup and would have kept, base units of the token. */
  readonly hidden: bigint;
  /** Nonces of Alice's direction: the one he closed with, and her last. */
  readonly staleNonce: bigint;
  readonly lastNonce: bigint;
  /** Milliseconds from his close on chain to her challenge on chain. */
  readonly answeredMs: number;
}

const PATIENCE_MS = 60_000;

/**
 * 5. Bob backs his database up, pays, restores the backup and closes from it, as if he had not paid. Alice's node
 * answers by itself with his newest proof. Then Bob's own database, which was not part of the cheat, shows what Alice
 * paid since, so that the chain knows the whole truth.
 */
export async function cheatStep(stage: Stage): Promise<CheatResult> {
  const { screen, parties, channels, view, signal } = stage;
  const { alice, bob } = parties;
  const channelId = channels.token;
  screen.begin("A cheat: bob closes the token channel with a stale proof");
  screen.progress("bob backs up his database and goes on paying");
  await bob.stop();
  await bob.backUp();
  await bob.start();
  const hidden = await payBehindBackup(stage);
  await bob.stop();

  screen.progress(`bob restores the backup and closes, hiding ${amount(hidden, "token")} that he paid`);
  await bob.startBackup();
  await bob.node.call("startClose", { channelId });
  const waiting = { signal, patience: PATIENCE_MS };
  await eventually("bob's close on chain", () => view.isClosing(channelId), waiting);
  const closed = performance.now();
  await bob.kill();
  const stale = (await view.recorded(channelId)).find(({ payer }) => payer === alice.account);

  screen.progress("alice's node answers with bob's newest proof");
  const recordedOf = async (account: string) =>
    (await view.recorded(channelId)).filter(({ payer }) => payer === account).at(-1);
  await eventually("alice's challenge", async () => (await recordedOf(bob.account)) !== undefined, waiting);
  const answeredMs = Math.round(performance.now() - closed);
  await bob.start();
  const staleNonce = stale?.nonce ?? 0n;
  const caughtUp = async () => ((await recordedOf(alice.account))?.nonce ?? 0n) > staleNonce;
  await eventually("bob's newest proof on chain", caughtUp, waiting);
  const lastNonce = (await recordedOf(alice.account))!.nonce;

  screen.progress(`the challenge period of ${CHALLENGE_PERIOD} s passes`);
  await view.pass(CHALLENGE_PERIOD + 1);
  await Promise.all([alice, bob].map(({ node }) => node.call("settled", { channelId })));
  screen.finish(
    `bob closed with proof ${grouped(staleNonce)} of ${grouped(lastNonce)} and hid ${amount(hidden, "token")} he had paid; ` +
      `alice's node challenged ${answeredMs} ms after that was on chain; settled after the challenge period`,
  );
  return { hidden, staleNonce, lastNonce, answeredMs };
}

/** What happens after the backup: Bob pays, which he will deny, and is paid, which his backup has not seen. */
async function payBehindBackup(stage: Stage): Promise<bigint> {
  const { tally, plan, bookOf } = stage;
  const [his, hers] = [bookOf("token", "bob"), bookOf("token", "alice")];
  const before = paidBy(stage);
  const hidden = { book: his, ...tally.order(his, plan.hidden) };
  const forgotten = { book: hers, ...tally.order(hers, plan.forgotten) };
  await Promise.all([hidden, forgotten].map((run) => payRun(stage, run)));
  await arrived(stage);
  return paidBy(stage) - before;
}

function paidBy({ tally, bookOf }: Stage): bigint {
  const { number } = bookOf("token", "bob");
  return tally.totals().find(({ book }) => book.number === number)!.paidAmount;
}
