import { amount } from "./format.ts";
import { CHALLENGE_PERIOD, funds, type Stage } from "./stage.ts";
import { ASSETS, NAMES } from "./verdict.ts";

/** 1. A native-coin and an ERC-20 channel, each opened by Alice and funded by both. */
export async function openStep(stage: Stage): Promise<void> {
  const { screen, parties, place, deposit, view } = stage;
  const { alice, bob } = parties;
  screen.begin("Two channels, opened and funded by both sides");
  screen.progress("starting two nodes");
  await Promise.all([alice.start(), bob.start()]);
  const { native, token } = funds(stage);
  for (const name of NAMES) {
    stage.accounts[name] = parties[name].account;
    await view.fund(parties[name].account, native, token);
    stage.before[name] = await view.balances(parties[name].account);
  }
  for (const asset of ASSETS) {
    screen.progress(`opening the ${asset} channel`);
    const channelId = await alice.node.call("open", {
      peer: bob.address,
      token: asset === "token" ? place.token : undefined,
      deposit: deposit[asset],
      requestDeposit: deposit[asset],
      challengePeriod: CHALLENGE_PERIOD,
    });
    stage.channels[asset] = channelId;
    await Promise.all([alice.watch(channelId, asset), bob.watch(channelId, asset)]);
  }
  screen.finish(ASSETS.map((asset) => `${amount(deposit[asset], asset)} from each side`).join(", "));
}
