import { Interface } from "ethers/abi";
import { ZERO_ADDRESS } from "../../protocol/index.ts";
import { devTokenAbi } from "../generated/devToken.ts";
import type { Provider } from "./provider.ts";

const erc20 = new Interface(devTokenAbi);

/** What an address holds of a token, or of the native coin with the zero address. Base units. */
export async function balanceOf(provider: Provider, address: string, token: string): Promise<bigint> {
  if (token === ZERO_ADDRESS) {
    return BigInt(await provider.request({ method: "eth_getBalance", params: [address, "latest"] }));
  }
  const data = erc20.encodeFunctionData("balanceOf", [address]);
  return BigInt(await provider.request({ method: "eth_call", params: [{ to: token, data }, "latest"] }));
}
