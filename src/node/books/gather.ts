/** Text gathered before it is handed on: a write per line would cost more than the line. */
const CHUNK_CHARS = 64 * 1024;

/** The same text in larger pieces. */
export async function* gathered(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let text = "";
  for await (const line of lines) {
    text += line;
    if (text.length < CHUNK_CHARS) continue;
    yield text;
    text = "";
  }
  if (text !== "") yield text;
}
