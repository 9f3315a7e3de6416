/** Whether acknowledged data may ever have been lost, and whether that has been dealt with. */
export interface Loss {
  /**
   * How many losses have been noticed in this database's life. A channel re-established since stores the epoch in
   * its record, so that a crash half-way through the channels does not make the others look whole.
   */
  readonly epoch: number;
  /** Whether every channel has been re-established since the last of them. */
  readonly settled: boolean;
}

export const NO_LOSS: Loss = { epoch: 0, settled: true };

/** Epoch (4), settled (1). */
export function encodeLoss(loss: Loss): Uint8Array {
  const bytes = new Uint8Array(5);
  new DataView(bytes.buffer).setUint32(0, loss.epoch);
  bytes[4] = loss.settled ? 1 : 0;
  return bytes;
}

/** Undefined for anything else. */
export function decodeLoss(bytes: Uint8Array): Loss | undefined {
  if (bytes.length !== 5 || bytes[4]! > 1) return undefined;
  return { epoch: new DataView(bytes.buffer, bytes.byteOffset, 5).getUint32(0), settled: bytes[4] === 1 };
}
