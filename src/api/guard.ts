import type { IncomingHttpHeaders } from "node:http";
import { isIP, isIPv4 } from "node:net";
import { ApiError } from "./error.ts";

interface GuardOptions {
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
}

/** Whether nobody beyond this machine can reach what listens on `host`. */
export function isLoopback(host: string): boolean {
  const name = bare(host);
  if (name === "localhost" || name === "::1") return true;
  return isIPv4(name) && name.startsWith("127.");
}

/** Keeps web pages of others away from the API. Tokens alone would not: a page could try them, or stop the node. */
export class Guard {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor({ hosts, origins }: GuardOptions) {
    this.#hosts = new Set(["localhost", ...hosts.map((host) => host.toLowerCase())]);
    this.#origins = new Set(origins);
  }

  /**
   * Throws `host_refused` or `cross_site_refused`. Returns the configured origin that may read the answer, if the
   * call comes from one.
   */
  check(headers: IncomingHttpHeaders): string | undefined {
    const { host = "", origin } = headers;
    // A name that an attacker's server resolves to us (DNS rebinding) is still the attacker's name. An address is
    // nobody's.
    const name = hostName(host);
    if (!this.#hosts.has(name) && isIP(bare(name)) === 0) {
      throw new ApiError({ code: "host_refused", fields: { host } });
    }
    if (origin !== undefined && this.#origins.has(origin)) return origin;
    const own = origin === undefined || isOwn(origin, host);
    const site = headers["sec-fetch-site"];
    if (!own || (site !== undefined && site !== "same-origin" && site !== "none")) {
      throw new ApiError({ code: "cross_site_refused", fields: { origin: origin ?? String(site) } });
    }
    return undefined;
  }
}

function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d{1,5}$/, "");
}

function bare(host: string): string {
  return host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
}

/** A page of ours: its origin names the host the call goes to. */
function isOwn(origin: string, host: string): boolean {
  const own = host.toLowerCase();
  return origin === `http://${own}` || origin === `https://${own}`;
}
