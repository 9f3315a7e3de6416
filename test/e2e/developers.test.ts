import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Block, blocksOf, createProject, type Project } from "../dev/support.ts";

/** The compiler comes from npm here, so that the test downloads nothing. */
const COMPILER = { version: "0.8.37", path: fileURLToPath(import.meta.resolve("solc/soljson.js")) };

const blocks = await blocksOf("docs/developers.md");
const commands = blocks.filter(({ run }) => run);

let project: Project;

beforeAll(async () => {
  project = await createProject();
  await write("package.json", JSON.stringify({ name: "an-application", type: "module", private: true }));
  const config = {
    compilerOptions: {
      module: "nodenext",
      target: "es2024",
      lib: ["es2024", "esnext.disposable"],
      types: ["node"],
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      verbatimModuleSyntax: true,
    },
    include: ["**/*.ts"],
  };
  await write("tsconfig.json", JSON.stringify(config));
  for (const block of blocks) if (block.file !== undefined) await write(block.file, adapted(block));
});

afterAll(() => project?.remove());

function adapted({ file, text }: Block): string {
  if (file !== "hardhat.config.ts") return text;
  const changed = text.replace('solidity: "0.8.28"', `solidity: ${JSON.stringify(COMPILER)}`);
  expect(changed).not.toBe(text);
  return changed;
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(join(project.path, file)), { recursive: true });
  await writeFile(join(project.path, file), text);
}

describe("the installed package", () => {
  it("has the documentation's files to run", () => {
    expect(commands.length).toBeGreaterThanOrEqual(6);
    expect(blocks.filter(({ file }) => file?.endsWith(".ts"))).not.toHaveLength(0);
  });

  it.each(commands.map(({ text }) => text.trim()))(
    "does what the documentation says: %s",
    async (command) => {
      const { code, stdout, stderr } = await project.run(command);
      expect(code, `${stdout}\n${stderr}`).toBe(0);
      if (command === "node contracts.ts") expect(stdout.trim()).toBe("true true");
      if (command.startsWith("node --test")) expect(stdout).toMatch(/pass [1-9]/);
    },
    120_000,
  );

  it("is typed as the documentation uses it", async () => {
    const { code, stdout } = await project.run("tsc -p tsconfig.json");
    expect(code, stdout).toBe(0);
  });
});

describe("without Hardhat", () => {
  it("names the command that installs it, and contracts need no Hardhat", async () => {
    const bare = await createProject({ without: ["hardhat"] });
    try {
      const program = [
        'import { createTestNetwork } from "rivulet/dev";',
        'import { escrowAddress } from "rivulet/contracts";',
        "const error = await createTestNetwork().catch((reason) => reason);",
        "console.log(error.code, error.fields.command, escrowAddress.length);",
      ];
      await writeFile(join(bare.path, "bare.mjs"), program.join("\n"));
      const { stdout, stderr } = await bare.run("node bare.mjs");
      expect(stdout.trim(), stderr).toBe("hardhat_missing npm install --save-dev hardhat 42");
    } finally {
      await bare.remove();
    }
  });
});
