// `rivulet/hardhat`: a plugin for Hardhat 3.
import type { HardhatPlugin } from "hardhat/types/plugins";
import "./typeExtensions.ts";

/**
 * Adds `rivulet`, a `TestNetwork`, to each connection to a simulated chain: `(await hre.network.create()).rivulet`.
 * Nothing is deployed or started before it is used.
 */
export const rivuletPlugin: HardhatPlugin = {
  id: "rivulet",
  npmPackage: "rivulet",
  hookHandlers: {
    network: async () => ({ default: (await import("./networkHooks.ts")).networkHooks }),
  },
};

export type { DevNode } from "../nodes/devNode.ts";
export type { SettleOptions, TestChannel } from "../testing/testChannel.ts";
export type { OpenChannelOptions, TestNetwork } from "../testing/testNetwork.ts";
