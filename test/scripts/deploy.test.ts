import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { SETTINGS, variableOf } from "../../src/cli/config/settings.ts";
import { EXIT } from "../../src/cli/exitCodes.ts";

const pathOf = (name: string) => fileURLToPath(new URL(`../../docs/deploy/${name}`, import.meta.url));
const read = (name: string) => readFileSync(pathOf(name), "utf8");

/** Variables that the command line knows: one for each setting, and those that are none. */
const VARIABLES = new Set(["RIVULET_CONFIG", ...Object.values(SETTINGS).map(({ key }) => variableOf(key))]);

describe("the unit for systemd", () => {
  const unit = parseUnit(read("rivulet.service"));
  const service = (name: string) => unit.get(`Service.${name}`);

  it("has the sections of a service and no other", () => {
    const sections = new Set([...unit.keys()].map((key) => key.split(".")[0]));
    expect([...sections]).toEqual(["Unit", "Service", "Install"]);
  });

  it("runs the node as a user of its own, with its directories", () => {
    expect(service("User")).toEqual(["rivulet"]);
    expect(service("DynamicUser")).toEqual(["no"]);
    expect(service("StateDirectory")).toEqual(["rivulet"]);
    expect(service("StateDirectoryMode")).toEqual(["0700"]);
    expect(service("ConfigurationDirectory")).toEqual(["rivulet"]);
    expect(service("ExecStart")).toEqual([
      "/usr/bin/env rivulet start --log-format json --data-dir %S/rivulet",
    ]);
  });

  it("hands the password over as a credential, never as a variable", () => {
    expect(service("LoadCredential")).toEqual(["password:/etc/rivulet/password"]);
    expect(service("Environment")).toContain("RIVULET_PASSWORD_FILE=%d/password");
    for (const assignment of service("Environment")!) {
      expect(VARIABLES).toContain(assignment.split("=")[0]);
    }
  });

  it.each([
    ["ProtectSystem", "strict"],
    ["ProtectHome", "yes"],
    ["NoNewPrivileges", "yes"],
    ["PrivateTmp", "yes"],
    ["PrivateDevices", "yes"],
    ["CapabilityBoundingSet", ""],
    ["RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX AF_NETLINK"],
    ["SystemCallFilter", "@system-service"],
    ["LimitCORE", "0"],
    ["UMask", "0077"],
  ])("is hardened: %s=%s", (name, value) => {
    expect(service(name)).toEqual([value]);
  });

  it("lets Node.js compile", () => {
    expect(service("MemoryDenyWriteExecute")).toEqual(["no"]);
  });

  it("starts again for ever, except where a human has to look", () => {
    expect(service("Restart")).toEqual(["on-failure"]);
    expect(unit.get("Unit.StartLimitIntervalSec")).toEqual(["0"]);
    const codes = service("RestartPreventExitStatus")![0]!.split(" ").map(Number);
    expect(codes).toEqual([EXIT.usage, EXIT.moneyAtStake, EXIT.interrupted]);
  });

  it("stops in order", () => {
    expect(service("KillSignal")).toEqual(["SIGTERM"]);
    expect(service("TimeoutStopSec")).toEqual(["60"]);
  });

  it.skipIf(spawnSync("systemd-analyze", ["--version"]).status !== 0)("is understood by systemd", () => {
    const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", pathOf("rivulet.service")], {
      encoding: "utf8",
    });
    const about = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("rivulet.service"));
    expect(about).toEqual([]);
  });
});

describe("the container", () => {
  const steps = parseDockerfile(read("Dockerfile"));
  const last = steps.slice(steps.findLastIndex(({ name }) => name === "FROM"));
  const of = (name: string) => last.filter((step) => step.name === name).map(({ rest }) => rest);

  it("is built in stages, and only the build has what builds", () => {
    expect(steps.filter(({ name }) => name === "FROM").map(({ rest }) => rest)).toEqual([
      "node:24-slim AS build",
      "node:24-slim",
    ]);
    expect(steps.map(({ rest }) => rest)).toContain('["npm", "prune", "--omit=dev"]');
  });

  it("does not run as root", () => {
    const user = of("USER").at(-1);
    expect(user).toBeDefined();
    expect(user).not.toMatch(/^(root|0)(:|$)/);
    const order = last.map(({ name }) => name);
    expect(order.lastIndexOf("RUN")).toBeLessThan(order.lastIndexOf("USER"));
  });

  it("gets the signals: nothing is started through a shell", () => {
    const entrypoint = JSON.parse(of("ENTRYPOINT")[0]!) as string[];
    expect(entrypoint).toEqual(["node", "/app/dist/cli/main.js"]);
    expect(JSON.parse(of("CMD")[0]!)).toEqual(["start", "--log-format", "json"]);
    expect(of("STOPSIGNAL")).toEqual(["SIGTERM"]);
  });

  it("asks for its health by a script that parses, without a shell", () => {
    const [, command] = of("HEALTHCHECK")[0]!.split(" CMD ");
    const [program, flag, script] = JSON.parse(command!) as string[];
    expect([program, flag]).toEqual(["node", "-e"]);
    expect(script).toContain(`http://127.0.0.1:${SETTINGS.apiPort.schema.parse(undefined)}/healthz`);
    expect(() => new Function(script!)).not.toThrow();
  });

  it("keeps money outside, and tells its ports", () => {
    expect(of("VOLUME")).toEqual(["/data"]);
    expect(of("EXPOSE")).toEqual(["9740 9741 9742"]);
    expect(of("ENV").join(" ")).toContain("RIVULET_DATA_DIR=/data");
  });

  it("sets no variable that the command line does not know, and no secret", () => {
    const names = of("ENV")
      .join(" ")
      .match(/RIVULET_\w+/g)!;
    for (const name of names) expect(VARIABLES).toContain(name);
    expect(names.join(" ")).not.toMatch(/PASSWORD|TOKEN|MNEMONIC/);
  });
});

/** Values by `Section.Name`, in order. Throws for a line that is none. */
function parseUnit(text: string): Map<string, string[]> {
  const values = new Map<string, string[]>();
  let section = "";
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const header = /^\[(\w+)\]$/.exec(line);
    if (header !== null) {
      section = header[1]!;
      continue;
    }
    const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (name === undefined || section === "") throw new Error(`no line of a unit: ${line}`);
    const key = `${section}.${name}`;
    values.set(key, [...(values.get(key) ?? []), value!]);
  }
  return values;
}

interface Step {
  readonly name: string;
  readonly rest: string;
}

function parseDockerfile(text: string): Step[] {
  return text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [, name, rest] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
      if (name === undefined) throw new Error(`no line of a Dockerfile: ${line}`);
      return { name, rest: rest! };
    });
}
