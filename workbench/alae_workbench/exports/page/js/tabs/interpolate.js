// A path between two, three or four corners in w.

import { blend } from "../model.js";
import { coalesce, describeSource, el, makeButton, makeChoice, makePicture, makePictureButton, makeSlider, showError } from "../parts.js";
import { download, downloadCanvas, drawPicture } from "../pictures.js";
import { makeSourceButton } from "../sources.js";
import { readNumber } from "../state.js";

export const title = "Interpolate";
export const hint = "Move the slider to turn one picture into another. Choose a corner to replace it.";
const STEPS = 9;
const FILM_FRAMES = 60;
const FILM_SIDE = 512;

export function show(root, model, values, save) {
  const given = (values.corners ?? "").split(",").map((text) => model.requireSource(text, null)).filter(Boolean);
  const corners = given.length >= 2 ? given.slice(0, 4) : ["s0", "s1"];
  let x = readNumber(values.x, 0.5, 0, 1);
  let y = readNumber(values.y, 0, 0, 1);
  const large = makePicture(model, "Interpolation", "large");
  const controls = el("div", { class: "stack" });
  const strip = Array.from({ length: STEPS }, (_, i) => makePictureButton(model, "Step", () => move(i / (STEPS - 1), y)));
  const stripNode = el("div", { class: "strip path", role: "group", "aria-label": "Steps from left to right" }, ...strip.map((tile) => tile.node));

  const latentAt = async (across, down) => {
    const latents = await Promise.all(corners.map((source) => model.latents(source)));
    return blend(latents, weigh(corners.length, across, down));
  };
  const draw = coalesce(async (isStale) => {
    const text = `Between ${corners.map(describeSource).join(", ")}${model.describeClass()}: ${Math.round(100 * x)} %`;
    large.show(await model.generate(await latentAt(x, y)), corners.length > 2 ? `${text}, ${Math.round(100 * y)} % down` : text);
    for (let i = 0; i < STEPS; i += 1) {
      if (isStale()) return;
      const across = i / (STEPS - 1);
      strip[i].show(await model.generate(await latentAt(across, y)), `${Math.round(100 * across)} %`);
    }
  }, root);
  function update() {
    save({ corners: corners.join(","), x, y: corners.length > 2 ? y : "" });
    draw();
  }
  function move(across, down) {
    [x, y] = [across, down];
    build();
    update();
  }
  function build() {
    const slider = (label, value, oninput) =>
      makeSlider({ label, least: 0, most: 1, step: 0.01, value, format: (now) => `${Math.round(100 * now)} %`, oninput }).node;
    controls.replaceChildren(
      makeChoice("Corners", [2, 3, 4].map((count) => [count, String(count)]), corners.length, setCount),
      el("div", { class: "corners" }, ...corners.map((source, i) => makeSourceButton(model, `corner ${i + 1}`, source, (chosen) => ((corners[i] = chosen), update())))),
      slider("Left to right", x, (value) => ((x = value), update())),
      ...(corners.length > 2 ? [slider("Top to bottom", y, (value) => ((y = value), update()))] : []),
      el("div", { class: "tools" }, film, makeButton("Download picture", () => downloadCanvas("interpolation.png", large.node))),
    );
  }
  function setCount(count) {
    while (corners.length < count) corners.push(`s${corners.length}`);
    corners.length = count;
    build();
    // The buttons are made anew.
    controls.querySelector("[aria-pressed=true]").focus();
    update();
  }
  const film = makeButton("Download film", async () => {
    film.disabled = true;
    try {
      const count = (frames) => (film.textContent = `Drawing ${frames} of ${FILM_FRAMES}…`);
      download("interpolation.webm", await recordFilm(model, (across) => latentAt(across, y), count));
    } catch (error) {
      showError(error);
    } finally {
      film.textContent = "Download film";
      film.disabled = false;
    }
  });

  build();
  root.append(el("div", { class: "columns" }, el("figure", {}, large.node), controls), stripNode);
  draw();
}

/** Return the weights of 2 to 4 corners: a row, a triangle or a square, as in `alae figure interpolation`. */
function weigh(count, x, y) {
  if (count === 2) return [1 - x, x];
  if (count === 3) return [(1 - y) * (1 - x), (1 - y) * x, y];
  return [(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x];
}

/** Record the path from left to right and back as WebM; `ondraw` gets the number of frames that are drawn. */
async function recordFilm(model, latentAt, ondraw) {
  const canvas = document.createElement("canvas");
  if (!canvas.captureStream || !globalThis.MediaRecorder) throw new Error("This browser cannot record films.");
  const scale = Math.max(1, Math.floor(FILM_SIDE / Math.max(model.width, model.height)));
  [canvas.width, canvas.height] = [scale * model.width, scale * model.height];
  const frames = [];
  for (let i = 0; i < FILM_FRAMES; i += 1) {
    // Slow at the ends.
    const across = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FILM_FRAMES);
    const frame = document.createElement("canvas");
    drawPicture(frame, await model.generate(await latentAt(across)), model);
    frames.push(frame);
    ondraw(frames.length);
  }
  const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: "video/webm", videoBitsPerSecond: 4e6 });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const ended = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start();
  for (const frame of [...frames, frames[0]]) {
    canvas.getContext("2d").drawImage(frame, 0, 0, canvas.width, canvas.height);
    await new Promise((resolve) => setTimeout(resolve, 1000 / 30));
  }
  recorder.stop();
  await ended;
  return new Blob(parts, { type: "video/webm" });
}
