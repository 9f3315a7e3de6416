import { generateKeyPairSync, sign } from "node:crypto";

/** A certificate for this machine that signs itself, and its key: X.509 in DER as RFC 5280 has it, in PEM. */
export function selfSigned(from: Date, to: Date): { readonly certificate: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signing = sequence(oid("2a8648ce3d040302"));
  const name = sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from("rivulet")))));
  const names = sequence(der(0x82, Buffer.from("localhost")), der(0x87, Buffer.of(127, 0, 0, 1)));
  const mayKnow = sequence(oid("551d11"), der(0x04, names));
  const isAuthority = sequence(oid("551d13"), der(0x04, sequence(der(0x01, Buffer.of(0xff)))));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1)),
    signing,
    name,
    sequence(time(from), time(to)),
    name,
    publicKey.export({ format: "der", type: "spki" }),
    der(0xa3, sequence(mayKnow, isAuthority)),
  );
  const signature = sign("sha256", body, privateKey);
  const whole = sequence(body, signing, der(0x03, Buffer.concat([Buffer.of(0), signature])));
  const lines = whole
    .toString("base64")
    .match(/.{1,64}/g)!
    .join("\n");
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ format: "pem", type: "pkcs8" }) as string,
  };
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

/** UTCTime, to the second. */
function time(date: Date): Buffer {
  return der(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replace(/[-:T]/g, "")}Z`));
}
