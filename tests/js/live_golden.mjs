// Runs the digits network of the live explorer on images from Python: node live_golden.mjs <folder>
// The folder holds module.mjs (core, network and explorer as one), data.json, weights.bin and images.bin (N x 28 x 28 bytes).
// Out: f.bin, float32 (T, N, K), and spikes.bin, how many neurons of each layer fired, uint32 (T, N, L).
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { centred, networkOf, run, runCalmly, verdict } = await import(pathToFileURL(join(folder, "module.mjs")));
const network = networkOf(JSON.parse(readFileSync(join(folder, "data.json"), "utf8")).network, new Uint8Array(readFileSync(join(folder, "weights.bin"))));
const images = new Uint8Array(readFileSync(join(folder, "images.bin"))), SIZE = 28 * 28, N = images.length / SIZE;
const { timesteps: T, layers, head } = network, K = head.bias.length, ZOOM = 4;
const f = new Float32Array(T * N * K), spikes = new Uint32Array(T * N * layers.length), again = new Uint8Array(images.length);

// A digit as one would write it on the sheet: four points wide and high a pixel.
function enlarged(digit) {
  const side = 28 * ZOOM;
  return Uint8Array.from({ length: side * side }, (_, n) => digit[Math.floor(n / side / ZOOM) * 28 + Math.floor((n % side) / ZOOM)]);
}

const began = performance.now();
for (let n = 0; n < N; n++) {
  run(network, images.subarray(n * SIZE, (n + 1) * SIZE)).forEach((step, t) => {
    f.set(step.f, (t * N + n) * K);
    step.spikes.forEach((layer, l) => { spikes[(t * N + n) * layers.length + l] = layer.reduce((a, b) => a + b, 0); });
  });
}
const milliseconds = (performance.now() - began) / (N * T);
for (let n = 0; n < N; n++) again.set(centred(enlarged(images.subarray(n * SIZE, (n + 1) * SIZE)), 28 * ZOOM), n * SIZE);
const said = JSON.parse(readFileSync(join(folder, "rules.json"), "utf8")).map(({ theta, gamma }) => Array.from({ length: N }, (_, n) => {
  const means = Array.from({ length: T }, (_, t) => f.subarray((t * N + n) * K, (t * N + n + 1) * K)), { steps, exit } = verdict(means, theta, gamma);
  return [exit, steps[exit - 1].answer];
}));
for (const [name, values] of Object.entries({ f, spikes, again })) writeFileSync(join(folder, `${name}.bin`), Buffer.from(values.buffer));
// How often something else had its turn while one image ran calmly, and whether it came to the same.
let turns = 0, isRunning = true;
(function anotherTurn() { if (isRunning) { turns += 1; setTimeout(anotherTurn); } })();
const image = images.subarray(0, SIZE), calm = await runCalmly(network, image);
isRunning = false;
const isSame = JSON.stringify(calm.map((step) => [...step.f, ...step.spikes[0]])) === JSON.stringify(run(network, image).map((step) => [...step.f, ...step.spikes[0]]));
console.log(JSON.stringify({ said, milliseconds, calm: { turns, isSame } }));
