// Writes src/api.ts from openapi.json; with --check says whether it is as it would be written.

import { readFileSync, writeFileSync } from "node:fs";

const FILE = new URL("src/api.ts", import.meta.url);
const { schemas } = JSON.parse(readFileSync(new URL("openapi.json", import.meta.url), "utf8")).components;

const parts = sorted(schemas)
  .filter(([name]) => !name.endsWith("Page"))
  .map(([name, schema]) => `${comment(schema, "")}export type ${name} = ${type(schema, "")};\n`);
const text = `// Made by \`npm run types\` from openapi.json. Do not edit.\n\n${parts.join("\n")}`;

if (process.argv.includes("--check")) {
  if (readFileSync(FILE, "utf8") !== text) {
    console.error("src/api.ts is not what openapi.json says: run `npm run types`");
    process.exit(1);
  }
} else {
  writeFileSync(FILE, text);
}

/** The TypeScript type of a JSON schema, as far as ours go. */
function type(schema, indent) {
  if (schema === true || Object.keys(schema).length === 0) return "unknown";
  if (schema.$ref !== undefined) return schema.$ref.split("/").at(-1);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices !== undefined) return choices.map((choice) => type(choice, indent)).join(" | ");
  if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one }, indent)).join(" | ");
  switch (schema.type) {
    case "object": return object(schema, indent);
    case "array": return array(schema, indent);
    case "integer": return "number";
    case undefined: return "unknown";
    default: return schema.type;
  }
}

function array({ items, prefixItems, minItems, maxItems }, indent) {
  if (prefixItems !== undefined) return `[${prefixItems.map((item) => type(item, indent)).join(", ")}]`;
  const one = type(items ?? true, indent);
  if (minItems !== undefined && minItems === maxItems) return `[${Array(minItems).fill(one).join(", ")}]`;
  return one.includes(" ") ? `(${one})[]` : `${one}[]`;
}

function object(schema, indent) {
  const inner = `${indent}  `;
  if (schema.properties === undefined) return `Record<string, ${type(schema.additionalProperties ?? true, inner)}>`;
  const fields = sorted(schema.properties).map(([name, field]) => {
    // What may be null is always sent, and what has a default too.
    const sent = schema.required?.includes(name) || nullable(field) || field.default !== undefined;
    const value = type(field, inner);
    return `${comment(field, inner)}${inner}${name}${sent ? "" : "?"}: ${value};\n`;
  });
  return `{\n${fields.join("")}${indent}}`;
}

function sorted(map) {
  return Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function nullable(field) {
  return field.type?.includes?.("null") || field.anyOf?.some((one) => one.type === "null");
}

function comment(schema, indent) {
  return schema.description === undefined ? "" : `${indent}/** ${schema.description.replaceAll("\n", " ")} */\n`;
}
