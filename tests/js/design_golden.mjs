// Compares the chip's bill in JavaScript with Python's: node design_golden.mjs <folder>
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { allDesigns, designNumbers, designRows, paretoFront, stepCost } = await import(pathToFileURL(join(folder, "module.mjs")));
const { data, bytes, states, bills, reference, fronts } = JSON.parse(readFileSync(join(folder, "golden.json"), "utf8"));
const raw = Uint8Array.from(Buffer.from(bytes, "hex")), faults = [];
const near = (a, b) => Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));

for (const { shapes, chip, densities, expected } of bills) {
  const found = stepCost(shapes, { ...chip, converter: data.converters[chip.converter], first: data.first }, data.prices, densities);
  const pairs = [[found.step_pj, expected.step_pj], [found.step_ns, expected.step_ns],
    [found.area_mm2, expected.area_mm2], ...Object.entries(expected.parts).map(([name, pj]) => [found.parts[name], pj])];
  if (!pairs.every(([a, b]) => near(a, b))) faults.push({ chip, found, expected });
}
const then = designNumbers(data, raw, reference);
for (const { state, rows } of states) {
  const found = designRows(designNumbers(data, raw, state), then);
  if (JSON.stringify(found) !== JSON.stringify(rows)) faults.push({ state, found, rows });
}
for (const { state, points, front } of fronts) {
  const ours = allDesigns(data, raw, state);
  if (!points.every(({ edp, accuracy, trained }, k) => near(ours[k].edp, edp) && near(ours[k].accuracy, accuracy) && ours[k].trained === trained)) faults.push({ state, points });
  if (JSON.stringify(paretoFront(points)) !== JSON.stringify(front)) faults.push({ points, front });
}
console.log(JSON.stringify({ compared: bills.length + states.length, fronts: fronts.length, faults: faults.slice(0, 3) }));
process.exit(faults.length ? 1 : 0);
