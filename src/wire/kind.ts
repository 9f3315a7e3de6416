import type { MessageKind } from "./message.ts";

/** The number of each kind's member in `Frame`'s oneof (rivulet.proto). All below 16: their tag is one byte. */
export const FIELD_OF_KIND: Readonly<Record<MessageKind, number>> = {
  hello: 1,
  openChannel: 2,
  acceptChannel: 3,
  refuse: 4,
  credited: 5,
  update: 6,
  ack: 7,
  reestablish: 8,
  withdrawPropose: 9,
  withdrawSign: 10,
  closeStop: 11,
  closeSign: 12,
  returnedUpdate: 13,
  error: 14,
};

/** The kind by tag byte, for length-delimited members only; undefined for everything else. */
export const KIND_OF_TAG: readonly (MessageKind | undefined)[] = (() => {
  const kinds = new Array<MessageKind | undefined>(256).fill(undefined);
  for (const [kind, field] of Object.entries(FIELD_OF_KIND)) kinds[(field << 3) | 2] = kind as MessageKind;
  return kinds;
})();
