// Normal random numbers, with the same bits as `alae_core.streams.sample_prior`: NumPy's Philox4x64-10 and its
// ziggurat for float32. So a seed gives the same picture here as in `alae generate`.

const MASK = (1n << 64n) - 1n;
const MULTIPLIERS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
const WEYL = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];
const ROUNDS = 10;
// CRC-32 of "prior", the second key.
const PRIOR = 0xe5aee812n;

const RIGHT = 3.6541528853610088; // where the tail begins
const AREA = 0.00492867323399; // of each layer
const SCALE = 2 ** 23;
const { thresholds, widths, heights } = makeLayers();

/** Return `count` numbers from N(0, 1) for a seed from 0 to 2^63 - 1: row 0 of `alae generate --seed`. */
export function sampleNormals(count, seed) {
  const next = makeStream([BigInt(seed), PRIOR]);
  return Float32Array.from({ length: count }, () => sampleOne(next));
}

function sampleOne(next) {
  for (;;) {
    const bits = next();
    const layer = bits & 0xff;
    const distance = (bits >>> 9) & 0x7fffff;
    const value = Math.fround((bits >>> 8) & 1 ? -distance * widths[layer] : distance * widths[layer]);
    if (distance < thresholds[layer]) return value;
    if (layer === 0) {
      for (;;) {
        const x = -Math.log1p(-nextFraction(next)) / RIGHT;
        const y = -Math.log1p(-nextFraction(next));
        if (2 * y > x * x) return Math.fround((distance >>> 8) & 1 ? -(RIGHT + x) : RIGHT + x);
      }
    }
    const height = heights[layer] + (heights[layer - 1] - heights[layer]) * nextFraction(next);
    if (height < Math.exp(-0.5 * value * value)) return value;
  }
}

function nextFraction(next) {
  return (next() >>> 8) / 16777216;
}

/** Return a function that gives the next 32 bits of a Philox stream. */
function makeStream(key) {
  let block = 0n;
  let words = [];
  return () => {
    if (!words.length) {
      block += 1n;
      words = philox([block, 0n, 0n, 0n], key).flatMap((word) => [Number(word & 0xffffffffn), Number(word >> 32n)]);
    }
    return words.shift();
  };
}

function philox(counter, key) {
  let [a, b, c, d] = counter;
  let [k, l] = key;
  for (let round = 0; round < ROUNDS; round += 1) {
    const first = MULTIPLIERS[0] * a;
    const second = MULTIPLIERS[1] * c;
    [a, b, c, d] = [(second >> 64n) ^ b ^ k, second & MASK, (first >> 64n) ^ d ^ l, first & MASK];
    k = (k + WEYL[0]) & MASK;
    l = (l + WEYL[1]) & MASK;
  }
  return [a, b, c, d];
}

/** Make the 256 layers of the ziggurat (Marsaglia and Tsang 2000). */
function makeLayers() {
  const thresholds = new Float64Array(256);
  const widths = new Float32Array(256);
  const heights = new Float32Array(256);
  let right = RIGHT;
  const base = AREA / Math.exp(-0.5 * right * right);
  thresholds[0] = Math.floor((right / base) * SCALE);
  widths[0] = base / SCALE;
  widths[255] = right / SCALE;
  heights[0] = 1;
  heights[255] = Math.exp(-0.5 * right * right);
  for (let layer = 254; layer > 0; layer -= 1) {
    const next = Math.sqrt(-2 * Math.log(AREA / right + Math.exp(-0.5 * right * right)));
    thresholds[layer + 1] = Math.floor((next / right) * SCALE);
    right = next;
    heights[layer] = Math.exp(-0.5 * right * right);
    widths[layer] = right / SCALE;
  }
  return { thresholds, widths, heights };
}
