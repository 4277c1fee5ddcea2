// F, G and E, run in this browser by ONNX Runtime, in a worker.

/**
 * Load the networks in a folder; return a function that runs one, by name, on its inputs.
 *
 * `onload` is called with the number of bytes that have been loaded.
 */
export async function loadNetworks(folder, onload) {
  const module = new URL("./worker.js", import.meta.url).href;
  // A worker from a blob has the content-security policy of this page; one from a file has none.
  const worker = new Worker(URL.createObjectURL(new Blob([`import ${JSON.stringify(module)};`], { type: "text/javascript" })), { type: "module" });
  const waiting = new Map();
  let bytes = 0;
  worker.onmessage = ({ data: { id, loaded, data, error } }) => {
    if (loaded) {
      bytes += loaded;
      onload(bytes);
      return;
    }
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(data);
    else reject(new Error(error));
  };
  worker.onerror = () => {
    for (const { reject } of waiting.values()) reject(new Error("the part of this page that runs models cannot be loaded"));
    waiting.clear();
  };
  let count = 0;
  const ask = (message) =>
    new Promise((resolve, reject) => {
      count += 1;
      waiting.set(count, { resolve, reject });
      worker.postMessage({ id: count, ...message });
    });
  await ask({ folder: new URL(folder, document.baseURI).href });
  return (name, inputs) => ask({ name, inputs });
}
