import type { Address } from "../protocol/index.ts";
import { usage } from "./exitCodes.ts";

/** Where money goes, as it was typed; `shown` has the letters of its checksum. Throws for what is none. */
export async function parseDestination(
  text: string,
): Promise<{ readonly to: Address; readonly shown: string }> {
  const { checksummed, parseAddress } = await import("../chain/checksum.ts");
  const to = parseAddress(text);
  if (to === undefined) {
    throw usage(`"${text}" is no address, or a digit or a letter of it is mistyped`, "Copy it whole.");
  }
  return { to, shown: checksummed(to) };
}
