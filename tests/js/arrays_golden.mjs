// Runs the networks of the hardware explorer on images from Python: node arrays_golden.mjs <folder>
// The folder holds module.mjs, data.json, weights.bin and images.bin (N x 28 x 28 bytes).
// Out: for each network m, f<m>.bin, float32 (T, N, K), spikes<m>.bin, uint32 (T, N, L), and sums<m>.bin, the partial sums of the
// first image's second layer at the first timestep, float64.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2], SIZE = 28 * 28;
const { arrayNetOf, runOnArrays } = await import(pathToFileURL(join(folder, "module.mjs")));
const { networks, layer } = JSON.parse(readFileSync(join(folder, "data.json"), "utf8"));
const bytes = new Uint8Array(readFileSync(join(folder, "weights.bin"))), images = new Uint8Array(readFileSync(join(folder, "images.bin")));
const N = images.length / SIZE;

networks.forEach((data, m) => {
  const net = arrayNetOf(data, bytes), { timesteps: T, layers, head } = net, K = head.outputs, L = layers.length;
  const f = new Float32Array(T * N * K), spikes = new Uint32Array(T * N * L);
  for (let n = 0; n < N; n++) {
    const steps = runOnArrays(net, images.subarray(n * SIZE, (n + 1) * SIZE));
    if (!n) writeFileSync(join(folder, `sums${m}.bin`), Buffer.from(steps[0].sums[layer].buffer));
    steps.forEach((step, t) => {
      f.set(step.f, (t * N + n) * K);
      step.spikes.forEach((fired, l) => { spikes[(t * N + n) * L + l] = fired.reduce((a, b) => a + b, 0); });
    });
  }
  writeFileSync(join(folder, `f${m}.bin`), Buffer.from(f.buffer));
  writeFileSync(join(folder, `spikes${m}.bin`), Buffer.from(spikes.buffer));
});
