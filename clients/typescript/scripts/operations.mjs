// Write src/operations.ts: what the kernel must know of each operation while it runs.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const METHODS = ["get", "post", "put", "patch", "delete"];
const here = new URL(".", import.meta.url);
const document = JSON.parse(readFileSync(new URL("../../../docs/openapi.json", here), "utf8"));

const parameter = (part) => {
  const name = part.$ref?.split("/").pop();
  return name === undefined ? part : document.components.parameters[name];
};

const entries = [];
for (const [path, methods] of Object.entries(document.paths)) {
  for (const method of METHODS.filter((each) => each in methods)) {
    const operation = methods[method];
    const headers = new Set((operation.parameters ?? []).map(parameter).map((each) => each.name));
    const facts = {
      method: method.toUpperCase(),
      path,
      open: operation.security?.length === 0,
      keyed: headers.has("Idempotency-Key"),
      consistent: headers.has("Consistency-Token"),
    };
    entries.push(`  ${operation.operationId}: ${JSON.stringify(facts)},`);
  }
}

const releases = readdirSync(new URL("../../../docs/released", here)).filter((name) => /^\d{4}-\d\d-\d\d\.json$/.test(name));
const version = releases.sort().at(-1).slice(0, 10);

const text = `// Generated from docs/openapi.json by \`npm run generate\`. Do not edit.
/** The version of the API that this client was made for. */
export const VERSION = "${version}";

export const OPERATIONS = {
${entries.sort().join("\n")}
} as const;
`;
writeFileSync(new URL("../src/operations.ts", here), text);
