import { ChainRecord } from "./chainRecord.ts";
import { type HardhatChain, openHardhatChain } from "./hardhatChain.ts";
import type { Provider } from "./provider.ts";
import { RecordingProvider } from "./recordingProvider.ts";
import { replay } from "./replay.ts";
import type { StateDirectory } from "./stateDirectory.ts";

/** The chain of a network in one command: kept or not, mining at once or in intervals. */
export class DevChain {
  readonly provider: Provider;
  readonly #chain: HardhatChain;
  readonly #finish: () => Promise<void>;
  #timer: ReturnType<typeof setInterval> | undefined;
  #mining: Promise<unknown> = Promise.resolve();

  private constructor(chain: HardhatChain, provider: Provider, finish: () => Promise<void>) {
    this.#chain = chain;
    this.provider = provider;
    this.#finish = finish;
  }

  /** Starts the chain, as it was left if it is kept. Throws `hardhat_missing`, `state_damaged`, `state_unreplayable`. */
  static async open(state: StateDirectory | undefined): Promise<DevChain> {
    const now = () => Date.now() / 1000;
    const chain = await openHardhatChain(state?.genesisTime ?? Math.floor(now()));
    if (state === undefined) return new DevChain(chain, chain.provider, async () => {});
    try {
      const { record, entries } = ChainRecord.open(state.chainFile);
      const provider = new RecordingProvider(
        chain.provider,
        record,
        await replay(chain.provider, entries),
        now,
      );
      return new DevChain(chain, provider, async () => {
        await provider.flush();
        record.close();
      });
    } catch (error) {
      await chain.close();
      throw error;
    }
  }

  /** From now on a block comes every so many seconds, and at no other time. */
  async mineEvery(seconds: number): Promise<void> {
    await this.provider.request({ method: "evm_setAutomine", params: [false] });
    this.#timer = setInterval(() => {
      this.#mining = this.#mining
        .then(() => this.provider.request({ method: "evm_mine" }))
        // The chain is in this process: it fails only when it is closed.
        .catch(() => {});
    }, seconds * 1000);
  }

  /** Mines what waits to be mined, so that it is kept too, and ends the chain. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#mining;
    if (this.#timer !== undefined) await this.provider.request({ method: "evm_mine" });
    await this.#finish();
    await this.#chain.close();
  }
}
