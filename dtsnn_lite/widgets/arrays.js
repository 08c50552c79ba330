// A network whose layers lie on crossbars: whole weights in one-bit cells, partial sums, read-outs. As on_arrays.py.

import { fire, halves, pooled } from "./network.js";

// --- weights ------------------------------------------------------------------------

function floats(bytes) {
  return Float64Array.from(new Float32Array(bytes.slice().buffer));
}

// Two whole weights a byte, the low half first, 0..14 for -7..7.
function nibbles(bytes, count) {
  return Int8Array.from({ length: count }, (_, n) => ((bytes[n >> 1] >> (4 * (n & 1))) & 15) - 7);
}

// { rows, outputs, side, array_rows, planes, tiles, readout, bits, reference, cells (rows, planes, outputs), scales, gain, shift }
function layerOf(layer, cut) {
  const { rows, outputs, planes } = layer, q = nibbles(cut(layer.q), rows * outputs), cells = new Int8Array(rows * planes * outputs);
  q.forEach((weight, n) => {
    const r = Math.floor(n / outputs), o = n % outputs;
    for (let p = 0; p < planes; p++) cells[(r * planes + p) * outputs + o] = Math.sign(weight) * ((Math.abs(weight) >> p) & 1);
  });
  return { ...layer, cells, scales: halves(cut(layer.scales)), gain: floats(cut(layer.gain)), shift: floats(cut(layer.shift)) };
}

function arrayNetOf({ layers, head, beta, v_th, timesteps }, bytes) {
  const cut = ([from, size]) => bytes.subarray(from, from + size);
  return { layers: layers.map((layer) => layerOf(layer, cut)), head: layerOf(head, cut), beta, v_th, timesteps };
}

// --- one layer ------------------------------------------------------------------------

// sums += value times the cells of one row, in its tile of one position.
function pull(sums, { outputs, planes, tiles, array_rows, cells }, position, row, value) {
  const size = planes * outputs, to = (position * tiles + Math.floor(row / array_rows)) * size, from = row * size;
  for (let j = 0; j < size; j++) sums[to + j] += value * cells[from + j];
}

// Partial sums (positions, tiles, planes, outputs) of a padded 3 x 3 convolution; the input is channels last.
function partialSums(layer, input) {
  const { side, rows, tiles, planes, outputs } = layer, inputs = rows / 9, sums = new Float64Array(side * side * tiles * planes * outputs);
  for (let n = 0; n < input.length; n++) {
    if (input[n] === 0) continue;
    const c = n % inputs, place = Math.floor(n / inputs), y = Math.floor(place / side), x = place % side;
    for (let k = 0; k < 9; k++) {
      const row = y + 1 - Math.floor(k / 3), column = x + 1 - (k % 3);
      if (row >= 0 && row < side && column >= 0 && column < side) pull(sums, layer, row * side + column, 9 * c + k, input[n]);
    }
  }
  return sums;
}

// Partial sums (tiles, planes, outputs) of a linear layer, whose rows are channel by channel.
function headSums(layer, spikes, channels) {
  const sums = new Float64Array(layer.tiles * layer.planes * layer.outputs), places = spikes.length / channels;
  spikes.forEach((spike, n) => { if (spike) pull(sums, layer, 0, (n % channels) * places + Math.floor(n / channels), 1); });
  return sums;
}

// What the read-out makes of one partial sum; j counts tiles, planes and outputs.
function readOne({ readout, bits, reference, scales, planes, outputs }, sum, j) {
  if (readout === "Ideal") return sum;
  if (readout === "SenseAmp") return sum > reference ? scales[j] : -scales[j];
  const step = scales[Math.floor(j / (planes * outputs))], top = 2 ** (bits - 1), middle = step % 2 === 0 ? 0.5 : 0;
  return Math.min(top - 1, Math.max(-top, Math.floor((sum - middle) / step + 0.5))) * step + middle;
}

// current = gain sum_k 2^k sum_tiles read(ps) + shift
function currents(layer, sums) {
  const { tiles, planes, outputs, gain, shift } = layer, size = tiles * planes * outputs, positions = sums.length / size;
  return Float64Array.from({ length: positions * outputs }, (_, n) => {
    const o = n % outputs, from = Math.floor(n / outputs) * size;
    let y = 0;
    for (let p = 0; p < planes; p++) {
      for (let i = 0; i < tiles; i++) {
        const j = (i * planes + p) * outputs + o;
        y += 2 ** p * readOne(layer, sums[from + j], j);
      }
    }
    return y * gain[o] + shift[o];
  });
}

// --- the network ------------------------------------------------------------------------

// All timesteps of one image (28 x 28 bytes): [{ spikes, potentials, sums (of each layer), f }, ...], as `run` of network.js.
function runOnArrays(net, pixels) {
  const { layers, head, timesteps } = net, image = Float64Array.from(pixels, (pixel) => Math.fround(pixel / 255));
  const firstSums = partialSums(layers[0], image), first = currents(layers[0], firstSums);
  const u = layers.map(({ outputs, side }) => new Float64Array(side * side * outputs)), total = new Float64Array(head.outputs);
  return Array.from({ length: timesteps }, (_, t) => {
    const spikes = [], sums = [];
    let input = null;
    layers.forEach((layer, l) => {
      sums.push(l ? partialSums(layer, input) : firstSums);
      spikes.push(fire(u[l], l ? currents(layer, sums[l]) : first, net));
      input = pooled(spikes[l], layer.side, layer.outputs);
    });
    currents(head, headSums(head, input, layers.at(-1).outputs)).forEach((logit, k) => { total[k] += logit; });
    return { spikes, sums, potentials: u.map((each) => each.slice()), f: Float32Array.from(total, (sum) => sum / (t + 1)) };
  });
}

// One neuron of one layer: [tile][plane] of [partial sum, what is read of it], and its current.
function neuron(layer, sums, place, o) {
  const { tiles, planes, outputs } = layer, from = place * tiles * planes * outputs;
  const parts = Array.from({ length: tiles }, (_, i) => Array.from({ length: planes }, (_, p) => {
    const j = (i * planes + p) * outputs + o;
    return [sums[from + j], readOne(layer, sums[from + j], j)];
  }));
  const added = (which) => parts.reduce((all, tile) => all + tile.reduce((y, part, p) => y + 2 ** p * part[which], 0), 0);
  return { parts, exact: added(0), read: added(1), current: added(1) * layer.gain[o] + layer.shift[o] };
}

export { arrayNetOf, neuron, runOnArrays };
