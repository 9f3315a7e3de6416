/** What a code means to whoever called: the HTTP status, what happened, whether money is in danger, what to do. */
export interface Meaning {
  readonly status: number;
  readonly title: string;
  readonly action: string;
  /** Money is in danger, or its whereabouts are unknown, because of this. */
  readonly moneyAtStake: boolean;
}

export const safe = (status: number, title: string, action: string): Meaning => ({
  status,
  title,
  action,
  moneyAtStake: false,
});
export const stake = (status: number, title: string, action: string): Meaning => ({
  ...safe(status, title, action),
  moneyAtStake: true,
});

export const AGAIN = "Nothing was sent. Ask again later.";
export const RPC =
  "Check the RPC endpoint. Until it answers, nothing new is signed and disputes cannot be seen.";
