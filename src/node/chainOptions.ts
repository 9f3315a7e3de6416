import { failureOf } from "../chain/error.ts";
import { type FeePolicy, feePolicyOf } from "../chain/fees.ts";
import { namedUrls } from "../chain/rpcUrl.ts";
import { NodeError } from "./error.ts";
import type { NodeOptions } from "./options.ts";

export interface ChainOptions {
  readonly urls: readonly string[];
  readonly fees: FeePolicy;
}

/** What the options say of the chain's servers and of fees. Throws `option_invalid`, which never shows a URL. */
export function chainOptionsOf({ rpcUrl, fees }: Pick<NodeOptions, "rpcUrl" | "fees">): ChainOptions {
  const urls = [rpcUrl].flat();
  try {
    namedUrls(urls);
    return { urls, fees: feePolicyOf(fees) };
  } catch (error) {
    const failure = failureOf(error);
    if (failure?.code === "rpc_url_invalid") {
      const option = urls.length > 1 ? `rpcUrl, number ${failure.endpoint}` : "rpcUrl";
      throw new NodeError({ code: "option_invalid", fields: { option, reason: failure.reason } });
    }
    if (failure?.code !== "fee_policy_invalid") throw error;
    const fields = { option: `fees.${failure.field}`, reason: failure.reason };
    throw new NodeError({ code: "option_invalid", fields });
  }
}
