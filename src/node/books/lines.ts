/** Longest line read: an update's entries in hex and its payments as JSON, with room. */
const MAX_LINE_CHARS = 4 * 1024 * 1024;

/** The lines of a text that comes in pieces. Throws `RangeError` at one that is longer than any record can be. */
export async function* linesOf(pieces: AsyncIterable<string | Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    rest += typeof piece === "string" ? piece : decoder.decode(piece, { stream: true });
    let start = 0;
    for (let end = rest.indexOf("\n"); end !== -1; end = rest.indexOf("\n", start)) {
      yield rest.slice(start, end);
      start = end + 1;
    }
    rest = rest.slice(start);
    if (rest.length > MAX_LINE_CHARS) throw new RangeError("a line is longer than any record");
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
