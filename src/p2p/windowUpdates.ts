import type { Stream } from "@libp2p/interface";

/** Bytes taken from a stream before its sender is told: a quarter of Yamux's first window, so it never runs dry. */
const UPDATE_BYTES = 64 * 1024;

/** Yamux's state of a stream whose opening has been answered. */
const ESTABLISHED = 3;

/** What a Yamux stream has and does not say in its interface; a test notices if that ends. */
interface Window {
  readonly state: number;
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}

/**
 * Makes a Yamux stream tell its sender of room in its window only when some was used. By itself it answers every
 * frame with a window update: a message of its own, encrypted, written and read, for each payment and for each
 * acknowledgement. Returns whether the stream is one that can be told so.
 */
export function spareWindowUpdates(stream: Stream): boolean {
  if (!hasWindow(stream)) return false;
  const sendWindowUpdate = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    const taken = stream.recvWindow - stream.recvWindowCapacity;
    if (stream.state === ESTABLISHED && taken < UPDATE_BYTES) return;
    sendWindowUpdate();
  };
  return true;
}

function hasWindow(stream: object): stream is Window {
  const { state, recvWindow, recvWindowCapacity, sendWindowUpdate } = stream as Partial<Window>;
  return (
    typeof state === "number" &&
    typeof recvWindow === "number" &&
    typeof recvWindowCapacity === "number" &&
    typeof sendWindowUpdate === "function"
  );
}
