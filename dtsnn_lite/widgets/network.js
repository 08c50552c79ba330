// The digits network itself, a timestep at a time, and what makes its input of a drawing. No page is needed here.
//
// A map holds its channels last: neuron (y, x) of channel c is number (y * side + x) * channels + c.
// Weights are float16 and beta is 1/2, so float64 adds up the currents of spikes without rounding, in any order:
// the spikes below the first layer are those of any other program that adds up the same weights (folded.py).

// --- weights ------------------------------------------------------------------------

// The number that 16 bits mean: sign, 5 bits of exponent, 10 of fraction.
function half(bits) {
  const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
}

// Float16 numbers from bytes, the low one first.
function halves(bytes) {
  return Float64Array.from({ length: bytes.length / 2 }, (_, i) => half(bytes[2 * i] | (bytes[2 * i + 1] << 8)));
}

// --- one layer ------------------------------------------------------------------------
//
// layer: { inputs, outputs, side, weights (inputs, 3, 3, outputs), bias (outputs) }; maps are side x side, padded with zeros

// The bias at every neuron.
function resting({ outputs, side, bias }) {
  const current = new Float64Array(side * side * outputs);
  for (let n = 0; n < current.length; n += outputs) current.set(bias, n);
  return current;
}

// One input of channel c at (y, x) reaches the neurons around it: current += value w.
function reach(current, { outputs, side, weights }, value, y, x, c) {
  for (let ky = 0; ky < 3; ky++) {
    const row = y + 1 - ky;
    if (row < 0 || row >= side) continue;
    for (let kx = 0; kx < 3; kx++) {
      const column = x + 1 - kx;
      if (column < 0 || column >= side) continue;
      const to = (row * side + column) * outputs, from = ((c * 3 + ky) * 3 + kx) * outputs;
      for (let o = 0; o < outputs; o++) current[to + o] += value * weights[from + o];
    }
  }
}

// What a layer's neurons receive of a map, where it is not 0.
function currentOf(layer, input) {
  const current = resting(layer), { inputs, side } = layer;
  for (let n = 0; n < input.length; n++) {
    if (input[n] === 0) continue;
    const place = Math.floor(n / inputs);
    reach(current, layer, input[n], Math.floor(place / side), place % side, n % inputs);
  }
  return current;
}

// h = beta u + i;  s = 1[h > v_th];  u = h (1 - s), in place
function fire(u, current, { beta, v_th }) {
  const spikes = new Uint8Array(u.length);
  for (let n = 0; n < u.length; n++) {
    const h = beta * u[n] + current[n];
    spikes[n] = h > v_th ? 1 : 0;
    u[n] = spikes[n] ? 0 : h;
  }
  return spikes;
}

// The 2 x 2 max-pool of spikes: one where any of four fired.
function pooled(spikes, side, channels) {
  const halved = side >> 1, out = new Uint8Array(halved * halved * channels);
  for (let y = 0; y < 2 * halved; y++) {
    for (let x = 0; x < 2 * halved; x++) {
      const from = (y * side + x) * channels, to = ((y >> 1) * halved + (x >> 1)) * channels;
      for (let c = 0; c < channels; c++) out[to + c] |= spikes[from + c];
    }
  }
  return out;
}

// logits = W s + b; weights (inputs, classes)
function readOut({ weights, bias }, spikes) {
  const logits = Float64Array.from(bias), classes = bias.length;
  for (let n = 0; n < spikes.length; n++) {
    if (spikes[n]) for (let k = 0; k < classes; k++) logits[k] += weights[n * classes + k];
  }
  return logits;
}

// --- the network ----------------------------------------------------------------------

// Bytes and what lies where in them -> { layers, head, beta, v_th, timesteps }
function networkOf({ layers, head, beta, v_th, timesteps }, bytes) {
  const cut = ([from, size]) => halves(bytes.subarray(from, from + size));
  const read = (layer) => ({ ...layer, weights: cut(layer.weights), bias: cut(layer.bias) });
  return { layers: layers.map(read), head: read(head), beta, v_th, timesteps };
}

// All timesteps of one image (28 x 28 bytes): [{ spikes, potentials (of each layer), f (running mean of the logits, float32 as in a Recording) }, ...]
function run(network, pixels) {
  const slices = inSlices(network, pixels);
  for (;;) {
    const { done, value } = slices.next();
    if (done) return value;
  }
}

// The same, and the page may do something else between two layers: a phone's first run takes half a second.
async function runCalmly(network, pixels) {
  const slices = inSlices(network, pixels);
  for (;;) {
    const { done, value } = slices.next();
    if (done) return value;
    await new Promise((next) => { setTimeout(next); });
  }
}

function* inSlices(network, pixels) {
  const { layers, head, timesteps } = network, image = Float64Array.from(pixels, (pixel) => Math.fround(pixel / 255));
  const first = currentOf(layers[0], image);                // direct coding: the image is the same at every timestep
  const u = layers.map(({ outputs, side }) => new Float64Array(side * side * outputs)), total = new Float64Array(head.bias.length);
  const steps = [];
  for (let t = 0; t < timesteps; t++) {
    const spikes = [];
    let input = null;
    for (const [l, layer] of layers.entries()) {
      yield;
      spikes.push(fire(u[l], l ? currentOf(layer, input) : first, network));
      input = pooled(spikes[l], layer.side, layer.outputs);
    }
    readOut(head, input).forEach((logit, k) => { total[k] += logit; });
    steps.push({ spikes, potentials: u.map((each) => each.slice()), f: Float32Array.from(total, (sum) => sum / (t + 1)) });
  }
  return steps;
}

// --- when to stop -----------------------------------------------------------------------

// z_t = f_t t^gamma
function evidence(f, t, gamma) {
  return Array.from(f, (each) => each * t ** gamma);
}

function softmax(z) {
  const top = Math.max(...z), e = z.map((each) => Math.exp(each - top)), sum = e.reduce((a, b) => a + b, 0);
  return e.map((each) => each / sum);
}

// E = (log S - sum_k p_k (z_k - max z)) / log K, in [0, 1]
function entropy(z) {
  const top = Math.max(...z), below = z.map((each) => each - top), e = below.map(Math.exp), sum = e.reduce((a, b) => a + b, 0);
  const h = Math.log(sum) - below.reduce((all, each, k) => all + each * e[k], 0) / sum;
  return Math.min(1, Math.max(0, h / Math.log(z.length)));
}

// What each timestep says and where it stops: { steps: [{ p, entropy, answer }], exit }; `exit` is 1-based.
function verdict(means, theta, gamma) {
  const steps = means.map((f, i) => {
    const z = evidence(f, i + 1, gamma), p = softmax(z);
    return { p, entropy: entropy(z), answer: p.indexOf(Math.max(...p)) };
  });
  const first = steps.findIndex((step) => step.entropy < theta);
  return { steps, exit: first < 0 ? steps.length : first + 1 };
}

// --- from a drawing to a digit ------------------------------------------------------------

const SIDE = 28, BOX = 20;

// A stroke from (x0, y0) to (x1, y1) with a round pen, into ink (side x side, 0 to 255); true where it left any.
function stroke(ink, side, [x0, y0], [x1, y1], radius) {
  const dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
  const within = (from, to) => [Math.max(0, Math.floor(Math.min(from, to) - radius - 1)), Math.min(side - 1, Math.ceil(Math.max(from, to) + radius + 1))];
  const [left, right] = within(x0, x1), [top, bottom] = within(y0, y1);
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const px = x + 0.5 - x0, py = y + 0.5 - y0, along = length2 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length2)) : 0;
      const away = Math.hypot(px - along * dx, py - along * dy);
      const press = Math.round(255 * Math.min(1, Math.max(0, radius + 0.5 - away)));
      if (press > ink[y * side + x]) ink[y * side + x] = press;
    }
  }
}

// The rectangle around all ink, [left, top, right, bottom) in pixels; null of an empty sheet.
function inked(ink, side) {
  let left = side, top = side, right = 0, bottom = 0;
  for (let n = 0; n < ink.length; n++) {
    if (!ink[n]) continue;
    const x = n % side, y = (n - x) / side;
    left = Math.min(left, x); right = Math.max(right, x + 1); top = Math.min(top, y); bottom = Math.max(bottom, y + 1);
  }
  return right ? [left, top, right, bottom] : null;
}

// The mean of ink over a rectangle with fractional edges; nothing lies beyond the sheet.
function meanInk(ink, side, left, top, right, bottom) {
  let sum = 0;
  for (let y = Math.floor(top); y < Math.min(side, bottom); y++) {
    const high = Math.min(y + 1, bottom) - Math.max(y, top);
    for (let x = Math.floor(left); x < Math.min(side, right); x++) {
      sum += ink[y * side + x] * high * (Math.min(x + 1, right) - Math.max(x, left));
    }
  }
  return sum / ((right - left) * (bottom - top));
}

// A drawing as MNIST's digits were made: the longer side of the ink 20 pixels, the centre of mass in
// the middle pixel of 28 x 28 (row and column 14, counted from 0).
function centred(ink, side) {
  const found = inked(ink, side), out = new Uint8Array(SIDE * SIDE);
  if (!found) return out;
  const [left, top, right, bottom] = found, step = Math.max(right - left, bottom - top) / BOX;
  const small = Array.from({ length: BOX * BOX }, (_, n) => {
    const x = left + (n % BOX) * step, y = top + Math.floor(n / BOX) * step;
    return Math.round(x < right && y < bottom ? meanInk(ink, side, x, y, x + step, y + step) : 0);
  });
  const mass = small.reduce((a, b) => a + b, 0);
  const centre = (of) => small.reduce((sum, pixel, n) => sum + pixel * (of(n) + 0.5), 0) / mass;
  const dx = Math.ceil(SIDE / 2 - centre((n) => n % BOX)), dy = Math.ceil(SIDE / 2 - centre((n) => Math.floor(n / BOX)));      // whole pixels, as theirs
  small.forEach((pixel, n) => {
    const x = (n % BOX) + dx, y = Math.floor(n / BOX) + dy;
    if (x >= 0 && x < SIDE && y >= 0 && y < SIDE) out[y * SIDE + x] = pixel;
  });
  return out;
}

// A digit turned clockwise (degrees), moved right and down (pixels) and dimmed (a share); untouched where all are 0.
function moved(pixels, { turn, right, down, dim }) {
  const angle = (turn * Math.PI) / 180, cos = Math.cos(angle), sin = Math.sin(angle), middle = (SIDE - 1) / 2;
  const at = (x, y) => (x >= 0 && x < SIDE && y >= 0 && y < SIDE ? pixels[y * SIDE + x] : 0);
  return Uint8Array.from({ length: SIDE * SIDE }, (_, n) => {
    const dx = (n % SIDE) - middle - right, dy = Math.floor(n / SIDE) - middle - down;
    const x = cos * dx + sin * dy + middle, y = cos * dy - sin * dx + middle;
    const x0 = Math.floor(x), y0 = Math.floor(y), a = x - x0, b = y - y0;
    const ink = (1 - b) * ((1 - a) * at(x0, y0) + a * at(x0 + 1, y0)) + b * ((1 - a) * at(x0, y0 + 1) + a * at(x0 + 1, y0 + 1));
    return Math.round((1 - dim) * ink);
  });
}

export { centred, fire, halves, moved, networkOf, pooled, run, runCalmly, stroke, verdict };
