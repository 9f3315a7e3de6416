import { writeSync } from "node:fs";
import { openDatabase } from "../../src/store/levelDatabase.ts";

/** Opens the database in the directory given and holds it until it is killed. */
const database = await openDatabase(process.argv[2]!);
writeSync(1, database.integrity.lost ? "lost\n" : "open\n");
setInterval(() => {}, 1000);
