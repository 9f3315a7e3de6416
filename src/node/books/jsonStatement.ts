import { type LedgerPorts, toHex } from "../../protocol/index.ts";
import { gathered } from "./gather.ts";
import { Seal } from "./seal.ts";
import { type EndRecord, STATEMENT_CLOSE, STATEMENT_OPEN, type StatementRecord } from "./statementRecord.ts";

/** A statement as JSON text, one record per line, sealed and signed by the node's signer. */
export function jsonStatement(
  records: AsyncIterable<StatementRecord>,
  ports: LedgerPorts,
): AsyncGenerator<string> {
  return gathered(lines(records, ports));
}

async function* lines(
  records: AsyncIterable<StatementRecord>,
  { crypto, digests, signerKey }: LedgerPorts,
): AsyncGenerator<string> {
  const seal = new Seal(crypto.keccak256);
  yield `${STATEMENT_OPEN}\n`;
  for await (const record of records) {
    const line = JSON.stringify(record);
    seal.add(line);
    yield `${line},\n`;
  }
  const signature = crypto.ecdsa.sign(digests.statement(seal.bytes), signerKey);
  const end: EndRecord = {
    type: "end",
    records: seal.records,
    hash: seal.hash,
    signature: toHex(signature),
  };
  yield `${JSON.stringify(end)}\n${STATEMENT_CLOSE}\n`;
}
