import { type LedgerPorts, toHex } from "../../protocol/index.ts";
import { Seal } from "./seal.ts";
import { type EndRecord, STATEMENT_CLOSE, STATEMENT_OPEN, type StatementRecord } from "./statementRecord.ts";

/** Lines gathered before they are handed on: a write per line would cost more than the line. */
const CHUNK_CHARS = 64 * 1024;

/** A statement as JSON text, one record per line, sealed and signed by the node's signer. */
export async function* jsonStatement(
  records: AsyncIterable<StatementRecord>,
  { crypto, digests, signerKey }: LedgerPorts,
): AsyncGenerator<string> {
  const seal = new Seal(crypto.keccak256);
  let text = `${STATEMENT_OPEN}\n`;
  for await (const record of records) {
    const line = JSON.stringify(record);
    seal.add(line);
    text += `${line},\n`;
    if (text.length < CHUNK_CHARS) continue;
    yield text;
    text = "";
  }
  const signature = crypto.ecdsa.sign(digests.statement(seal.bytes), signerKey);
  const end: EndRecord = {
    type: "end",
    records: seal.records,
    hash: seal.hash,
    signature: toHex(signature),
  };
  yield `${text}${JSON.stringify(end)}\n${STATEMENT_CLOSE}\n`;
}
