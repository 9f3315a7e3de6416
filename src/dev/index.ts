export { DEV_MNEMONIC, type DevAccount, devAccount } from "./accounts.ts";
export { createTestNetwork } from "./createTestNetwork.ts";
export { DEV_CONTRACTS, type DevContracts, type DevToken } from "./deploy.ts";
export type { DevNode } from "./devNode.ts";
export { DevError, type DevErrorCode } from "./error.ts";
export type { Provider, ProviderCall } from "./provider.ts";
export type { SettleOptions, TestChannel } from "./testChannel.ts";
export type { Nodes, OpenChannelOptions, TestNetwork } from "./testNetwork.ts";
