import type { ConnectionEncrypter, MessageStream } from "@libp2p/interface";

type MakeEncrypter<Components, Extension> = (components: Components) => ConnectionEncrypter<Extension>;

/**
 * An encrypter whose messages reach the socket in one piece. By itself Noise hands over a length of two bytes and the
 * ciphertext behind it, TCP writes each, and the other side wakes up for two bytes it can do nothing with.
 */
export function writingWhole<Components, Extension>(
  make: MakeEncrypter<Components, Extension>,
): MakeEncrypter<Components, Extension> {
  return (components) => {
    const encrypter = make(components);
    const secureInbound = encrypter.secureInbound.bind(encrypter);
    const secureOutbound = encrypter.secureOutbound.bind(encrypter);
    encrypter.secureInbound = (connection, options) => secureInbound(sendingWhole(connection), options);
    encrypter.secureOutbound = (connection, options) => secureOutbound(sendingWhole(connection), options);
    return encrypter;
  };
}

function sendingWhole(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection);
  connection.send = (data) => send(data instanceof Uint8Array ? data : data.subarray());
  return connection;
}
