// The model: F, G and E, and latents made from seeds, example images and links.
//
// Pictures are Float32Arrays (height · width · channels) with values around [-1, 1]; latents are Float32Arrays (w).

import { loadFile } from "./files.js";
import { sampleNormals } from "./normals.js";
import { loadExamples } from "./pictures.js";
import { decodeNumbers, encodeNumbers } from "./state.js";

export const LARGEST_SEED = 2 ** 32 - 1;

/**
 * Load the model of this page, its example images, and the module that runs its networks here or on the server.
 *
 * `onload` is called with the number of bytes of networks that have been loaded, and of all.
 */
export async function loadModel(folder, onload = () => {}) {
  const [description, details] = await Promise.all(["export.json", "page.json"].map((file) => loadJson(folder + file)));
  const [height, width, channels] = description.image;
  const [examples, compute] = await Promise.all([
    loadExamples(`${folder}examples.png`, details.exampleCount, { height, width, channels }),
    import(`./networks/${details.computedBy}.js`).then(({ loadNetworks }) => loadNetworks(folder, (bytes) => onload(bytes, details.networkBytes))),
  ]);
  return new Model(description, details, examples, compute);
}

async function loadJson(path) {
  return (await loadFile(path)).json();
}

class Model {
  /** The class of pictures that are encoded and generated, for models with labels. */
  label = 0;
  /** Called with the seconds that each picture took to generate. */
  ontime = () => {};
  #compute;
  #last = Promise.resolve();
  #latents = new Map();

  constructor(description, details, examples, compute) {
    Object.assign(this, details);
    [this.height, this.width, this.channels] = description.image;
    this.description = description;
    this.examples = examples;
    this.#compute = compute;
    this.truncation = description.truncation ?? null;
    this.classes = description.classes;
    const input = description.functions.G.inputs[0];
    this.hasStyles = input.name === "styles";
    this.layers = this.hasStyles ? input.shape[1] : 1;
    this.z = description.functions.F.inputs[0].shape[1];
    this.w = input.shape.at(-1);
  }

  /** Return w = F(z). */
  map(z, label = this.label) {
    return this.#run("F", z, label);
  }

  /** Return w = E(picture). */
  encode(picture, label = this.label) {
    return this.#run("E", picture, label);
  }

  /** Return the picture G(w). For style networks, `w` is an array of latents, one for each layer, or one for all. */
  generate(w, label = this.label) {
    if (!this.hasStyles) return this.#run("G", w, label);
    const styles = new Float32Array(this.layers * this.w);
    for (let layer = 0; layer < this.layers; layer += 1) {
      styles.set(layerOf(w, layer), layer * this.w);
    }
    return this.#run("G", styles, label);
  }

  /** Return the number of a class in a link; null if it is not one, or the model has no labels. */
  readClass(text) {
    return /^\d{1,6}$/.test(text ?? "") && Number(text) < this.classes ? Number(text) : null;
  }

  /** Return the class of a source that is an example image; null for other sources and for models without labels. */
  classOf(source) {
    return source?.startsWith("e") ? (this.exampleClasses[Number(source.slice(1))] ?? null) : null;
  }

  /** Return a class in words, to follow the description of a source; "" for models without labels. */
  describeClass(label = this.label) {
    return this.classes ? `, class ${this.classNames[label] ?? label}` : "";
  }

  /**
   * Return the latents of a source, as `generate` takes them.
   *
   * A source is text: `s7` is the sample of seed 7, `s7.3` its variation 3, `e2` the example image 2, and `w…` a latent.
   * Samples of style networks are truncated by `psi`, by default the model's. If F takes labels, they are of a class.
   */
  async latents(source, psi = this.truncation?.psi, label = this.label) {
    const w = await this.findLatent(source, label);
    return this.truncation && source.startsWith("s") ? this.#truncate(w, psi) : w;
  }

  /** Return w of a source. */
  async findLatent(source, label = this.label) {
    if (source.startsWith("w")) return decodeNumbers(source.slice(1), this.w);
    const key = `${source} ${label}`;
    if (!this.#latents.has(key)) {
      const latent = this.#makeLatent(source, label);
      this.#latents.set(key, latent);
      // A server can fail once.
      latent.catch(() => this.#latents.delete(key));
    }
    return this.#latents.get(key);
  }

  /** Return `text` if it is a source of this model, or `usual`. */
  requireSource(text, usual) {
    const seed = /^s(\d{1,10})(\.\d{1,3})?$/.exec(text ?? "");
    const example = /^e(\d{1,4})$/.exec(text ?? "");
    const isLatent = text?.startsWith("w") && decodeNumbers(text.slice(1), this.w) !== null;
    const isSeed = seed && Number(seed[1]) <= LARGEST_SEED;
    return isSeed || isLatent || (example && Number(example[1]) < this.examples.length) ? text : usual;
  }

  /** Whether all sources and directions in the parameters of a link are of this model. */
  fits({ of, rows, columns, corners, move }) {
    const split = (text) => (text ?? "").split(",").filter(Boolean);
    const sources = [of, rows, columns, corners].flatMap(split);
    const areKnown = split(move).every((part) => Object.hasOwn(this.directions, part.split(":")[0]));
    return areKnown && sources.every((source) => this.requireSource(source, null) !== null);
  }

  /** Return the distance of E(G(w)) from w relative to the variance of w: the reciprocity error of `picture` = G(w). */
  async reciprocityError(w, picture) {
    const again = await this.encode(picture);
    const squares = again.reduce((sum, value, i) => sum + (value - w[i]) ** 2, 0);
    return squares / (this.w * this.variance);
  }

  async #makeLatent(source, label) {
    if (source.startsWith("e")) return this.encode(this.examples[Number(source.slice(1))], this.classOf(source) ?? 0);
    const [seed, variation] = source.slice(1).split(".").map(Number);
    const z = sampleNormals(this.z, seed);
    if (variation === undefined) return this.map(z, label);
    // A step of a third of a right angle on the sphere, towards another sample: the sum is N(0, 1) too.
    const other = sampleNormals(this.z, seed + 1000003 * variation);
    const angle = Math.PI / 6;
    return this.map(z.map((value, i) => Math.cos(angle) * value + Math.sin(angle) * other[i]), label);
  }

  #truncate(w, psi) {
    const { mean, layers } = this.truncation;
    const near = w.map((value, i) => psi * value + (1 - psi) * mean[i]);
    return Array.from({ length: this.layers }, (_, layer) => (layer < layers ? near : w));
  }

  /** Run a function for one row, after those requested before: a session can run only once at a time. */
  #run(name, numbers, label) {
    const inputs = this.description.functions[name].inputs.map((port) => ({
      name: port.name,
      type: port.dtype,
      shape: port.shape.map((size) => (size === "batch" ? 1 : size)),
      numbers: port.name === "labels" ? BigInt64Array.of(BigInt(label)) : numbers,
    }));
    const result = this.#last.then(async () => {
      const begun = performance.now();
      const output = await this.#compute(name, inputs);
      if (name === "G") this.ontime((performance.now() - begun) / 1000);
      return output;
    });
    this.#last = result.catch(() => {});
    return result;
  }
}

/** Return the source that names a latent. */
export function sourceOf(w) {
  return `w${encodeNumbers(w)}`;
}

/** Return the latent of a layer. */
export function layerOf(w, layer) {
  return Array.isArray(w) ? w[layer] : w;
}

/** Return latents per layer as moved by `move`, a function of one latent. */
export function mapLatents(w, move) {
  return Array.isArray(w) ? w.map(move) : move(w);
}

/** Return the sum of latents, each multiplied by its weight. */
export function blend(latents, weights) {
  const isLayered = latents.some(Array.isArray);
  const sum = (rows) => rows[0].map((_, i) => rows.reduce((total, row, k) => total + weights[k] * row[i], 0));
  if (!isLayered) return sum(latents);
  const count = latents.find(Array.isArray).length;
  return Array.from({ length: count }, (_, layer) => sum(latents.map((w) => layerOf(w, layer))));
}
