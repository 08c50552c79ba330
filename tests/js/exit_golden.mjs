// Compares the exit explorer's arithmetic with numbers from Python: node exit_golden.mjs <folder>
// The folder holds module.mjs (core and explorer as one) and golden.json.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { curveOf, edpRows, exitNumbers, exitRows, exitTables, positionOf, unpack } = await import(pathToFileURL(join(folder, "module.mjs")));
const golden = JSON.parse(readFileSync(join(folder, "golden.json"), "utf8"));
const faults = [];

for (const { data, bytes, expected, curves } of golden) {
  const raw = Buffer.from("00" + bytes, "hex");                // at an odd offset, as a host may hand it over
  const view = new DataView(raw.buffer, raw.byteOffset + 1, raw.length - 1);
  const [set] = unpack({ get: (name) => (name === "data" ? data : view) }), T = set.timesteps;
  for (const { score, gamma, theta, chip: name, rows, left, edp } of expected) {
    const chip = set.chips.find((each) => each.name === name), j = positionOf(theta, set.rules[score], set.positions);
    const tables = set.tables[`${score} ${gamma}`] ??= exitTables(set, score, gamma), now = exitNumbers(tables, chip, j, T, set.images);
    const found = [exitRows(set, chip, now), edpRows(set, chip, now).map(([, value]) => value), [...tables.left.slice(j * T, (j + 1) * T)]];
    if (JSON.stringify(found) !== JSON.stringify([rows, edp, left])) faults.push({ score, gamma, theta, name, found, rows, edp, left });
  }
  for (const { score, gamma, points } of curves) {
    const found = curveOf(set, score, gamma);
    if (JSON.stringify(found.map(([a, b]) => [a, b])) !== JSON.stringify(points)) faults.push({ score, gamma, found: found.slice(0, 3), points: points.slice(0, 3) });
  }
}
const total = (name) => golden.reduce((sum, each) => sum + each[name].length, 0);
console.log(JSON.stringify({ compared: total("expected"), curves: total("curves"), faults: faults.slice(0, 3) }));
process.exit(faults.length ? 1 : 0);
