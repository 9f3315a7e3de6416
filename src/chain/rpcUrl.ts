import { ChainError } from "./error.ts";

/** A JSON-RPC server, and what it may be called in logs and errors. */
export interface NamedUrl {
  /** Holds keys as often as not: never shown. */
  readonly url: URL;
  /** Host and port; with its place in the list where two servers share them. */
  readonly name: string;
}

/** Servers one node fails over between: more are not safer, and each is asked for its head. */
const MAX_ENDPOINTS = 16;

const PROTOCOLS = ["http:", "https:", "ws:", "wss:"];

/** Whether a server is spoken to over WebSocket. */
export function isSocket({ protocol }: URL): boolean {
  return protocol === "ws:" || protocol === "wss:";
}

/** The servers of a list, the preferred first. Throws `rpc_url_invalid`, which never shows the URL. */
export function namedUrls(urls: readonly string[]): NamedUrl[] {
  if (urls.length === 0) throw invalid(1, "at least one URL is needed");
  if (urls.length > MAX_ENDPOINTS) throw invalid(MAX_ENDPOINTS + 1, `at most ${MAX_ENDPOINTS} are used`);
  const parsed = urls.map((url, index) => parse(url, index + 1));
  const hosts = parsed.map(({ host }) => host);
  return parsed.map((url, index) => {
    const shared = hosts.filter((host) => host === url.host).length > 1;
    return { url, name: shared ? `${url.host}#${index + 1}` : url.host };
  });
}

function parse(text: string, endpoint: number): URL {
  // `new URL` puts the text it was given into its error.
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.host === "") throw invalid(endpoint, "not a URL");
  if (!PROTOCOLS.includes(url.protocol)) throw invalid(endpoint, "neither http, https, ws nor wss");
  if (!isSocket(url)) return url;
  if (url.username !== "" || url.password !== "") {
    throw invalid(endpoint, "a WebSocket can send no user and password; most servers take a key in the path");
  }
  url.hash = ""; // nothing a server sees, and a WebSocket refuses it
  return url;
}

function invalid(endpoint: number, reason: string): ChainError {
  return new ChainError({ code: "rpc_url_invalid", endpoint, reason });
}
