import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Route } from "../../src/api/schema/route.ts";
import { ROUTES } from "../../src/api/schema/routes.ts";
import { startApi, type TestApi } from "./support/api.ts";

let api: TestApi;
// biome-ignore lint/suspicious/noExplicitAny: an OpenAPI document
let document: any;

beforeAll(async () => {
  api = await startApi({});
  document = (await api.call("/openapi.json", { secret: "" })).body;
});
afterAll(() => api.server.stop());

/** Every schema of the document, with where it is. */
function* schemas(value: unknown, path = ""): Generator<[string, Record<string, unknown>]> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    const place = `${path}/${key}`;
    const isSchema = key === "schema" || key === "items" || /\/(properties|schemas)$/.test(path);
    if (isSchema) yield [place, child as Record<string, unknown>];
    yield* schemas(child, place);
  }
}

describe("the OpenAPI document", () => {
  it("is of version 3.1 and names this version", () => {
    expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "Rivulet", version: "1.2.3" } });
  });

  it.each(Object.entries(ROUTES) as [string, Route][])("describes %s", (name, route) => {
    const path = route.path.replace(/:([a-zA-Z]+)/g, "{$1}");
    const told = document.paths[path][route.method.toLowerCase()];
    expect(told).toMatchObject({
      operationId: name,
      summary: route.summary,
      security: [{ accessToken: [] }],
      responses: { [route.status]: {}, "4XX": {}, "5XX": {} },
    });
    expect(told.requestBody !== undefined).toBe(route.body !== undefined);
    const named = (told.parameters ?? []).map(({ name: parameter }: { name: string }) => parameter);
    expect(named.includes("idempotency-key")).toBe(route.idempotent === true);
    for (const key of Object.keys({ ...route.params?.shape, ...route.query?.shape }))
      expect(named).toContain(key);
  });

  it("describes nothing else", () => {
    const told = Object.values(document.paths as Record<string, object>).flatMap((path) => Object.keys(path));
    expect(told).toHaveLength(Object.keys(ROUTES).length);
  });

  it("says of every value what it is, and refers to nothing that is missing", () => {
    const all = [...schemas(document)];
    expect(all.length).toBeGreaterThan(300);
    for (const [place, schema] of all) {
      const told = ["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"].some((key) => key in schema);
      expect(told, place).toBe(true);
      if (typeof schema.$ref === "string") {
        const name = schema.$ref.replace("#/components/schemas/", "");
        expect(document.components.schemas, place).toHaveProperty(name);
      }
    }
  });

  it("groups operations by what they are about", () => {
    const tags = new Map<string, string>();
    for (const path of Object.values(document.paths) as Record<
      string,
      { operationId: string; tags: string[] }
    >[])
      for (const {
        operationId,
        tags: [tag, ...others],
      } of Object.values(path)) {
        expect(others).toEqual([]);
        tags.set(operationId, tag!);
      }
    expect(tags.size).toBe(Object.keys(ROUTES).length);
    const ofTag = (tag: string) => [...tags].filter(([, one]) => one === tag).map(([name]) => name);
    expect(ofTag("payments").sort()).toEqual(["pay", "payment", "payments"]);
    expect(ofTag("limits")).toEqual(expect.arrayContaining(["setLimits", "approve", "freeze", "unfreeze"]));
    expect(ofTag("default")).toEqual([]);
  });

  it("is shown under no name and sign but its own", async () => {
    const page = (await api.call("/docs/", { secret: "" })).body as string;
    expect(page).toContain("<title>Rivulet</title>");
    expect(page).not.toContain("favicon-32x32.png");
    const icon = /href="([^"]*favicon\.svg)"/.exec(page)![1]!;
    const { pathname } = new URL(icon, `${api.url}/docs/`);
    expect((await fetch(`${api.url}${pathname}`)).headers.get("content-type")).toContain("image/svg+xml");
    const script = await (await fetch(`${api.url}/docs/static/swagger-initializer.js`)).text();
    const logo = /data:image\/svg\+xml;base64,([A-Za-z0-9+/=]+)/.exec(script)![1]!;
    expect(Buffer.from(logo, "base64").toString()).toContain(">Rivulet</text>");
  });

  it("can be browsed at /docs, with nothing from other sites", async () => {
    const page = await api.call("/docs/", { secret: "" });
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(page.headers.get("content-security-policy")).not.toMatch(/https?:/);
    const assets = [...(page.body as string).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, asset]) => asset!);
    expect(assets.length).toBeGreaterThan(3);
    for (const asset of assets) {
      const { pathname, origin } = new URL(asset, `${api.url}/docs/`);
      expect(origin).toBe(new URL(api.url).origin);
      expect((await api.call(pathname, { secret: "" })).status, pathname).toBe(200);
    }
  });
});
