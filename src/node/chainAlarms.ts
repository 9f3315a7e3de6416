import { describeFailure } from "../chain/error.ts";
import type { EndpointNews } from "../chain/failover.ts";
import type { WatcherStatus } from "../chain/watcher.ts";
import { type ClockCheck, describeSkew } from "./clock.ts";
import type { NodeContext } from "./context.ts";
import type { GasWallet } from "./gasWallet.ts";

interface ChainAlarmsInit {
  readonly context: Pick<NodeContext, "emit" | "log">;
  readonly clock: ClockCheck;
  readonly gasWallet: Pick<GasWallet, "look">;
  /** Chains whose time is set by hand have no clock to compare ours with. */
  readonly checksClock: boolean;
  /** With one server the watcher's own outage says it all. */
  readonly servers: number;
}

/** Tells the operator what the chain's servers, the clock and the gas wallet come to, once for every change. */
export class ChainAlarms {
  readonly #init: ChainAlarmsInit;
  #skewed = false;

  constructor(init: ChainAlarmsInit) {
    this.#init = init;
  }

  onStatus(status: WatcherStatus): void {
    const { clock, checksClock, gasWallet } = this.#init;
    if (checksClock) {
      clock.observe(status);
      this.#compare();
    }
    if (status.kind === "head") void gasWallet.look();
  }

  onEndpoint(news: EndpointNews): void {
    const { context, servers } = this.#init;
    context.log.info(news, "a server of the chain");
    if (news.kind !== "aside") return;
    if (news.failure.code === "wrong_chain") {
      const { actual, expected } = news.failure;
      const message = `the server ${news.endpoint} is on chain ${actual}, not ${expected}: it is not used`;
      this.#warn("wrong_chain", message);
    } else if (servers > 1) {
      const message = `the server ${news.endpoint} is not asked for a while: ${describeFailure(news.failure)}`;
      this.#warn(news.failure.code, message);
    }
  }

  #compare(): void {
    const { skew } = this.#init.clock;
    if ((skew !== undefined) === this.#skewed) return;
    this.#skewed = skew !== undefined;
    if (skew === undefined) this.#warn("clock_ok", "this machine's clock and the chain's agree again");
    else this.#warn("clock_skew", describeSkew(skew));
  }

  #warn(code: string, message: string): void {
    this.#init.context.emit("warning", { code, message });
  }
}
