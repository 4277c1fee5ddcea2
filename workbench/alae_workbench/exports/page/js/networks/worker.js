// F, G and E in a thread of their own, so that the page answers while pictures are computed.
//
// The first message is the folder of the networks; each further one is a network and its inputs. Answers have the
// message's id, and either `data` or `error`. While networks are loaded, messages with only `loaded` count bytes.

import * as ort from "../../runtime/ort.wasm.bundle.min.mjs";
import { loadFile } from "../files.js";

const sessions = {};

onmessage = async ({ data: { id, folder, name, inputs } }) => {
  try {
    postMessage({ id, data: folder ? await load(folder) : await run(name, inputs) });
  } catch (error) {
    // WebAssembly can throw numbers.
    postMessage({ id, error: error.message ?? String(error) });
  }
};

async function load(folder) {
  ort.env.wasm.wasmPaths = { wasm: new URL("../../runtime/ort-wasm-simd-threaded.wasm", import.meta.url).href };
  // Several threads need a page that is isolated from others, as `alae demo` serves it.
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
  ort.env.logLevel = "error";
  await Promise.all(
    ["F", "G", "E"].map(async (name) => {
      sessions[name] = await loadNetwork(`${folder}${name}.onnx`);
    }),
  );
}

/** Load a network while the runtime is being loaded: if given the address, the runtime would begin only afterwards. */
async function loadNetwork(url) {
  const answer = await loadFile(url);
  const count = new TransformStream({
    transform(part, output) {
      postMessage({ loaded: part.length });
      output.enqueue(part);
    },
  });
  const content = await new Response(answer.body.pipeThrough(count)).arrayBuffer();
  return ort.InferenceSession.create(new Uint8Array(content), { executionProviders: ["wasm"] });
}

async function run(name, inputs) {
  const feeds = inputs.map(({ name: input, type, shape, numbers }) => [input, new ort.Tensor(type, numbers, shape)]);
  const outputs = await sessions[name].run(Object.fromEntries(feeds));
  return Object.values(outputs)[0].data;
}
