// Compares the crossbar explorer's table with strings from Python: node crossbar_golden.mjs <folder>
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { crossbarRows, layer, readLayer } = await import(pathToFileURL(join(folder, "module.mjs")));
const { data, bytes, expected } = JSON.parse(readFileSync(join(folder, "golden.json"), "utf8"));
const made = layer(data, Uint8Array.from(Buffer.from(bytes, "hex")));
const faults = [];
for (const { state, rows } of expected) {
  const found = crossbarRows(made, state, readLayer(made, state));
  if (JSON.stringify(found) !== JSON.stringify(rows)) faults.push({ state, found, rows });
}
console.log(JSON.stringify({ compared: expected.length, faults: faults.slice(0, 3) }));
process.exit(faults.length ? 1 : 0);
