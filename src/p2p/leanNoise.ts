import type { ConnectionEncrypter, MessageStream, SecuredConnection } from "@libp2p/interface";
import { type NoiseComponents, type NoiseExtensions, noise } from "@libp2p/noise";

type Encrypter = ConnectionEncrypter<NoiseExtensions>;

/**
 * Noise without two costs it has for every message, which together are most of what a small one costs:
 *
 * - It hands over a length of two bytes and the ciphertext behind it. TCP writes each by itself, and the other side
 *   wakes up for two bytes it can do nothing with. Here they are one.
 * - It finds the end of what was read by an error, with a stack trace, thrown where a length is missing. Here that
 *   error is made once.
 */
export function leanNoise(): (components: NoiseComponents) => Encrypter {
  const make = noise();
  return (components) => {
    const encrypter = make(components);
    const secureInbound = encrypter.secureInbound.bind(encrypter);
    const secureOutbound = encrypter.secureOutbound.bind(encrypter);
    encrypter.secureInbound = (connection, options) =>
      secureInbound(sendingWhole(connection), options).then(readingLean);
    encrypter.secureOutbound = (connection, options) =>
      secureOutbound(sendingWhole(connection), options).then(readingLean);
    return encrypter;
  };
}

function sendingWhole(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection);
  connection.send = (data) => send(data instanceof Uint8Array ? data : data.subarray());
  return connection;
}

/** A Noise message begins with its length. */
const LENGTH_BYTES = 2;

/** What the decoder of Noise's messages expects where a length is not yet whole. */
const LENGTH_MISSING = new RangeError("a length has not come whole");

/** What Noise's connection has and does not say in its interface; a test notices if that ends. */
interface Decoding {
  readonly decoder: { lengthDecoder(data: { readonly length: number }): number };
}

function readingLean<Secured extends SecuredConnection<NoiseExtensions>>(secured: Secured): Secured {
  const { connection } = secured;
  if (!isDecoding(connection)) return secured;
  const { decoder } = connection;
  const { lengthDecoder } = decoder;
  decoder.lengthDecoder = (data) => {
    if (data.length < LENGTH_BYTES) throw LENGTH_MISSING;
    return lengthDecoder(data);
  };
  return secured;
}

function isDecoding(connection: object): connection is Decoding {
  const { decoder } = connection as Partial<Decoding>;
  return typeof decoder?.lengthDecoder === "function";
}
