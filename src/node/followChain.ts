import type { Account } from "../chain/account.ts";
import { Escrow } from "../chain/escrow.ts";
import { Eth } from "../chain/eth.ts";
import { FailoverRpc } from "../chain/failover.ts";
import { Journal, type JournalStore } from "../chain/journal.ts";
import { Publisher } from "../chain/publisher.ts";
import { Watcher } from "../chain/watcher.ts";
import { journalPrefix } from "../store/keys.ts";
import { ChainSync } from "./chainSync.ts";
import { ClockCheck } from "./clock.ts";
import type { Ground, Parts } from "./ground.ts";
import { DEFAULT_CONFIRMATIONS, DEFAULT_STALE_AFTER } from "./options.ts";

/** Everything that looks at the chain and sends to it. */
export function followChain(ground: Ground, account: Account, parts: () => Parts) {
  const { options, urls, fees, now, database, bookJournal } = ground;
  const { chainId, poll, staleAfter = DEFAULT_STALE_AFTER } = options;
  const confirmations = options.confirmations ?? DEFAULT_CONFIRMATIONS;
  const rpc = new FailoverRpc({
    urls,
    chainId,
    onHead: () => watcher.poke(),
    onNews: (news) => parts().alarms.onEndpoint(news),
    ...(poll && { headPaceMs: poll.least }),
  });
  const eth = new Eth(rpc);
  const journals: JournalStore = {
    get: (key) => database.store.get(key),
    write: (ops, { sync }) => database.committer.commit(ops, { sync }),
  };
  const watcher: Watcher = new Watcher({
    eth,
    journal: new Journal(journals, journalPrefix("chain", chainId, options.escrow)),
    chainId,
    escrow: options.escrow,
    fromBlock: options.escrowBlock ?? 0,
    confirmations,
    knows: (id) => parts().channels.has(id),
    payoutsOf: account.address,
    handler: (notice) => parts().upkeep.onNotice(notice),
    onStatus: (status) => {
      if (status.kind === "reorganisation") publisher.reorganised();
      parts().alarms.onStatus(status);
      parts().upkeep.onChainStatus(status);
    },
    now,
    // Development chains travel in time, and then their blocks lie as far in the future as a test likes.
    ...(staleAfter === "never" && { maxFutureSeconds: undefined }),
    ...(poll && { minPollMs: poll.least, maxPollMs: poll.most }),
  });
  const publisher: Publisher = new Publisher({
    eth,
    journal: new Journal(journals, journalPrefix("publisher", chainId, account.address)),
    chainId,
    account,
    confirmations,
    fees,
    now,
    ...(poll && { pollMs: poll.least }),
    onStatus: (status) => parts().upkeep.onPublisherStatus(status),
    onMined: (mined) => bookJournal.noteMined(mined),
  });
  const escrow = new Escrow(options.escrow, eth);
  const clock = new ClockCheck({ now, steady: () => performance.now() / 1000 });
  const endpoints = () => rpc.status();
  const following = { eth, watcher, publisher, escrow, confirmations, fees, clock, now, endpoints };
  const chain = new ChainSync({ ...following, staleAfter });
  return { rpc, clock, chain, watcher, publisher, escrow };
}
