// Compares book/assets/seals.js with dtsnn_lite/classroom/seals.py: node seals_golden.mjs <typed.js> <seals.js> < golden.json
import { readFileSync } from "node:fs";
import { runInThisContext } from "node:vm";

for (const script of process.argv.slice(2)) runInThisContext(readFileSync(script, "utf8"));
const { sha256, hex, check } = globalThis.Seals;
const { readings } = globalThis.Typed;
const { digests, numbers, checks } = JSON.parse(readFileSync(0, "utf8"));
const faults = [];

const compare = (what, found, expected) => {
  if (JSON.stringify(found) !== JSON.stringify(expected)) faults.push({ what, found, expected });
};
for (const [text, expected] of digests) compare(text, hex(sha256(text)), expected);
for (const [text, asked, expected] of numbers) compare([text, asked], readings(text, asked), expected);
for (const [question, given, expected] of checks) compare([question.salt, given], check(question, given), expected);
console.log(JSON.stringify({ compared: digests.length + numbers.length + checks.length, faults: faults.slice(0, 3) }));
