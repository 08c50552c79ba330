// Compares the exit explorer's arithmetic with numbers from Python: node exit_golden.mjs <folder>
// The folder holds module.mjs (core and explorer as one) and golden.json.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { edpRows, exitNumbers, exitRows, exitTables, positionOf, unpack } = await import(pathToFileURL(join(folder, "module.mjs")));
const golden = JSON.parse(readFileSync(join(folder, "golden.json"), "utf8"));
const faults = [];

for (const { data, bytes, expected } of golden) {
  const raw = Buffer.from("00" + bytes, "hex");                // at an odd offset, as a host may hand it over
  const view = new DataView(raw.buffer, raw.byteOffset + 1, raw.length - 1);
  const [set] = unpack({ get: (name) => (name === "data" ? data : view) });
  for (const { score, theta, chip: name, rows, left, edp } of expected) {
    const chip = set.chips.find((each) => each.name === name), j = positionOf(theta, set.rules[score], set.positions);
    const tables = set.tables[score] ??= exitTables(set, score), now = exitNumbers(tables, chip, j, set.timesteps, set.images);
    const found = exitRows(set, chip, now), ways = edpRows(set, chip, now).map(([, value]) => value);
    const counts = [...tables.left.slice(j * set.timesteps, (j + 1) * set.timesteps)];
    if (JSON.stringify([found, ways, counts]) !== JSON.stringify([rows, edp, left])) faults.push({ score, theta, name, found, rows, ways, edp, counts, left });
  }
}
console.log(JSON.stringify({ compared: golden.reduce((sum, { expected }) => sum + expected.length, 0), faults: faults.slice(0, 3) }));
process.exit(faults.length ? 1 : 0);
