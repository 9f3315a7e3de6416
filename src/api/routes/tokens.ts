import type { Address } from "../../protocol/index.ts";
import type { Handlers } from "../handler.ts";

export const tokensHandlers: Handlers<"token"> = {
  token: async ({ params, signal }, { node }) => {
    const { token, symbol, name, decimals, balance, warning } = await node.tokenInfo(
      params.token as Address,
      {
        signal,
      },
    );
    return {
      token,
      symbol,
      decimals,
      balance: `${balance}`,
      ...(name !== undefined && { name }),
      ...(warning !== undefined && { warning }),
    };
  },
};
