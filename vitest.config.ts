import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    teardownTimeout: 30_000,
    // A suite that found nothing to run, or that was told to run only a part, has not passed.
    passWithNoTests: false,
    allowOnly: process.env.CI === undefined,
    // What is waited for comes, however busy the machine is.
    expect: { poll: { timeout: 20_000 } },
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      exclude: ["src/**/generated/**"],
      reportsDirectory: "coverage/typescript",
      reporter: ["text-summary", "html", "lcov"],
    },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**"],
          // Some rooms deploy to a chain or derive keys with scrypt: slow on a busy machine, never stuck.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Most of them wait for chains and peers: two at once fill the two cores that one leaves half idle.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          // Each file starts several processes of its own, so that two files already fill two cores.
          testTimeout: 180_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
