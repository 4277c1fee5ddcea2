// The choice of a source: a seed, an example image, a file, or the camera.

import { LARGEST_SEED, sourceOf } from "./model.js";
import { coalesce, describeSource, el, makeButton, makePictureButton, showBusy } from "./parts.js";
import { readFile, readVideo } from "./pictures.js";

// Example images that are offered.
const SHOWN = 24;

// The chooser on the page, and its function that opens a file.
let chooser = null;

// Pictures that were opened, by the source of their latent; links have only the latent.
const opened = new Map();

/** Return the source in a link to one picture, or by default the first example. */
export function findPictureSource(model, values) {
  return model.requireSource(values.of, model.examples.length ? "e0" : "s0");
}

/** Return the picture of a source: an image as it was opened, a sample, or null if only its latent is known. */
export async function pictureOf(model, source) {
  if (source.startsWith("e")) return model.examples[Number(source.slice(1))];
  if (source.startsWith("w")) return opened.get(source) ?? null;
  return model.generate(await model.latents(source));
}

/** Return the source of a picture that was opened, from its latent w = E(picture). */
export function keepPicture(picture, w) {
  const source = sourceOf(w);
  opened.set(source, picture);
  return source;
}

/** Return a control that shows a source as a picture; clicking it lets the user choose another. */
export function makeSourceButton(model, name, source, onchange) {
  const tile = makePictureButton(model, "", async () => {
    const chosen = await chooseSource(model, name, source);
    if (!chosen) return;
    source = chosen;
    onchange(source);
    draw();
  });
  const caption = el("span", { class: "quiet" });
  const draw = coalesce(async () => {
    const text = `${name}: ${describeSource(source)}`;
    caption.textContent = describeSource(source);
    tile.node.title = `${text}. Choose another`;
    tile.show(await model.generate(await model.latents(source)), text);
  });
  draw();
  return el("div", { class: "source" }, tile.node, caption);
}

/** Ask for a source in a dialog; null if it was closed without a choice. */
export function chooseSource(model, name, source) {
  return new Promise((resolve) => {
    const finish = (chosen) => {
      dialog.close();
      resolve(chosen);
    };
    const dialog = el(
      "dialog",
      { "aria-label": `Choose ${name}`, onclose: () => (dialog.remove(), resolve(null)) },
      el("h2", {}, `Choose ${name}`),
      makeSourceChooser(model, source, finish),
      makeButton("Cancel", () => finish(null)),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Return controls for choosing a source: a seed, examples, a file and the camera. */
export function makeSourceChooser(model, source, onchoose) {
  const message = el("p", { role: "alert", class: "hint" });
  let last = 0;
  const open = async (read) => {
    last += 1;
    const mine = last;
    try {
      message.textContent = "";
      const { picture, cropped } = await showBusy(read());
      const w = await model.encode(picture);
      // Another picture may have been opened meanwhile.
      if (mine === last) await onchoose(keepPicture(picture, w), cropped);
    } catch (error) {
      if (mine === last) message.textContent = error.message;
    }
  };
  const openFile = (file) => open(() => readFile(file, model));
  const node = el(
    "div",
    { class: "chooser" },
    makeDropZone(openFile),
    makeCamera(model, open),
    makeSeedField(source, onchoose),
    message,
    makeExamples(model, onchoose),
  );
  chooser = { node, openFile };
  return node;
}

/** Open files that are dropped or pasted anywhere while a chooser is shown. Browsers would leave the page for them. */
export function receiveFiles() {
  const receive = (event, data) => {
    const [file] = data?.files ?? [];
    if (!file) return;
    event.preventDefault();
    if (chooser?.node.isConnected) chooser.openFile(file);
  };
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => receive(event, event.dataTransfer));
  addEventListener("paste", (event) => receive(event, event.clipboardData));
}

function makeDropZone(onfile) {
  const input = el("input", {
    type: "file",
    accept: "image/png,image/jpeg,image/webp,image/gif,image/avif,image/bmp",
    class: "visually-hidden",
    onchange: () => input.files[0] && onfile(input.files[0]).then(() => (input.value = "")),
  });
  const zone = el(
    "label",
    {
      class: "drop",
      ondragover: () => zone.classList.add("over"),
      ondragleave: () => zone.classList.remove("over"),
      // `receiveFiles` opens the file.
      ondrop: () => zone.classList.remove("over"),
    },
    input,
    el("strong", {}, "Open a picture"),
    el("span", { class: "quiet" }, "or drop or paste one"),
  );
  return zone;
}

function makeSeedField(source, onchoose) {
  const value = source?.startsWith("s") ? source.slice(1).split(".")[0] : 0;
  const input = el("input", { type: "number", min: 0, max: LARGEST_SEED, value, "aria-label": "Seed", inputmode: "numeric" });
  const choose = (seed) => onchoose(`s${Math.min(LARGEST_SEED, Math.max(0, Math.floor(Number(seed)) || 0))}`);
  return el(
    "form",
    { class: "seed", onsubmit: (event) => (event.preventDefault(), choose(input.value)) },
    el("label", {}, "Seed ", input),
    el("button", {}, "Use"),
    makeButton("Random", () => choose(Math.floor(Math.random() * 100_000))),
  );
}

function makeExamples(model, onchoose) {
  const tiles = model.examples.slice(0, SHOWN).map((picture, i) => {
    const tile = makePictureButton(model, `Example ${i + 1}`, () => onchoose(`e${i}`));
    tile.show(picture);
    return tile.node;
  });
  return tiles.length ? el("div", { class: "strip", role: "group", "aria-label": "Examples" }, ...tiles) : null;
}

function makeCamera(model, open) {
  if (!navigator.mediaDevices?.getUserMedia) return null;
  const node = el("div", { class: "camera" });
  const begin = makeButton("Camera", async () => {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
    } catch {
      await open(async () => {
        throw new Error("The camera cannot be used: there is none, or this page may not use it.");
      });
      return;
    }
    const video = el("video", { autoplay: true, playsinline: true, muted: true, "aria-label": "Camera" });
    video.srcObject = stream;
    const end = () => {
      stream.getTracks().forEach((track) => track.stop());
      node.replaceChildren(begin);
    };
    const take = makeButton("Take picture", async () => {
      const picture = readVideo(video, model);
      end();
      await open(async () => ({ picture, cropped: true }));
    });
    node.replaceChildren(video, take, makeButton("Stop", end));
  });
  node.append(begin);
  return node;
}
