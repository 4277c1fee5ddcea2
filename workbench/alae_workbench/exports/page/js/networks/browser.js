// F, G and E, run in this browser by ONNX Runtime.

import * as ort from "../../runtime/ort.wasm.bundle.min.mjs";
import { loadFile } from "../files.js";

/** Load the networks in a folder; return a function that runs one, by name, on its inputs. */
export async function loadNetworks(folder) {
  ort.env.wasm.wasmPaths = { wasm: new URL("../../runtime/ort-wasm-simd-threaded.wasm", import.meta.url).href };
  // Several threads need a page that is isolated from others, as `alae demo` serves it.
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
  ort.env.logLevel = "error";
  const [F, G, E] = await Promise.all(["F", "G", "E"].map((name) => loadNetwork(`${folder}${name}.onnx`)));
  const sessions = { F, G, E };
  return async (name, inputs) => {
    const feeds = inputs.map(({ name: input, type, shape, numbers }) => [input, new ort.Tensor(type, numbers, shape)]);
    const outputs = await sessions[name].run(Object.fromEntries(feeds));
    return Object.values(outputs)[0].data;
  };
}

/** Load a network while the runtime is being loaded: if given the address, the runtime would begin only afterwards. */
async function loadNetwork(url) {
  const answer = await loadFile(url);
  return ort.InferenceSession.create(new Uint8Array(await answer.arrayBuffer()), { executionProviders: ["wasm"] });
}
