import type { Address } from "../../protocol/index.ts";
import type { Handlers } from "../handler.ts";

export const tokensHandlers: Handlers<"token"> = {
  token: async ({ params, caller, signal }, { node, questions }) => {
    const asked = params.token as Address;
    const { token, symbol, name, decimals, balance, warning } = await questions.ask(
      `token/${asked}`,
      { caller, signal },
      (within) => node.tokenInfo(asked, { signal: within }),
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
