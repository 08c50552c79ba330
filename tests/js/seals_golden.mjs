// Compares book/assets/seals.js with dtsnn_lite/classroom/seals.py: node seals_golden.mjs <seals.js> < golden.json
import { readFileSync } from "node:fs";
import { runInThisContext } from "node:vm";

runInThisContext(readFileSync(process.argv[2], "utf8"));
const { sha256, hex, parseNumber, check } = globalThis.Seals;
const { digests, numbers, checks } = JSON.parse(readFileSync(0, "utf8"));
const faults = [];

const compare = (what, found, expected) => {
  if (JSON.stringify(found) !== JSON.stringify(expected)) faults.push({ what, found, expected });
};
for (const [text, expected] of digests) compare(text, hex(sha256(text)), expected);
for (const [text, expected] of numbers) compare(text, parseNumber(text), expected);
for (const [question, given, expected] of checks) compare([question.salt, given], check(question, given), expected);
console.log(JSON.stringify({ compared: digests.length + numbers.length + checks.length, faults: faults.slice(0, 3) }));
