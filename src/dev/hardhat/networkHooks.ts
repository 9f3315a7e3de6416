import type { HookContext, NetworkHooks } from "hardhat/types/hooks";
import type { ChainType, NetworkConnection } from "hardhat/types/network";
import type { JsonRpcRequest, JsonRpcResponse } from "hardhat/types/providers";
import type { Provider, ProviderCall } from "../chain/provider.ts";
import { DevError } from "../error.ts";
import { TestNetwork } from "../testing/testNetwork.ts";

/** Each connection has a network of its own, as it has a chain of its own. */
export async function networkHooks(): Promise<Partial<NetworkHooks>> {
  return {
    async newConnection<T extends ChainType | string>(
      context: HookContext,
      next: (context: HookContext) => Promise<NetworkConnection<T>>,
    ): Promise<NetworkConnection<T>> {
      const connection = await next(context);
      const simulated = connection.networkConfig.type === "edr-simulated";
      const chain = simulated ? (connection.provider as Provider) : refusing(connection.networkName);
      connection.rivulet = new TestNetwork({ chain, provider: chain });
      return connection;
    },

    async closeConnection<T extends ChainType | string>(
      context: HookContext,
      connection: NetworkConnection<T>,
      next: (context: HookContext, connection: NetworkConnection<T>) => Promise<void>,
    ): Promise<void> {
      await connection.rivulet.close();
      await next(context, connection);
    },

    async onRequest<T extends ChainType | string>(
      context: HookContext,
      connection: NetworkConnection<T>,
      request: JsonRpcRequest,
      next: (
        context: HookContext,
        connection: NetworkConnection<T>,
        request: JsonRpcRequest,
      ) => Promise<JsonRpcResponse>,
    ): Promise<JsonRpcResponse> {
      const pass = () => next(context, connection, request);
      // Requests of other plugins may come before the connection is ours too.
      if (connection.rivulet === undefined) return pass();
      let response: JsonRpcResponse | undefined;
      const result = await connection.rivulet.request(callOf(request), async () => {
        response = await pass();
        return "result" in response ? response.result : undefined;
      });
      return response ?? { jsonrpc: "2.0", id: request.id, result };
    },
  };
}

function callOf({ method, params }: JsonRpcRequest): ProviderCall {
  return { method, ...(Array.isArray(params) && { params: params as unknown[] }) };
}

/** Coins from nothing and travels in time are for simulated chains: nobody else's chain is touched. */
function refusing(name: string): Provider {
  const reason = `the network ${name} is not simulated by Hardhat`;
  return {
    request: () => Promise.reject(new DevError({ code: "chain_unsuited", fields: { reason } })),
  };
}
