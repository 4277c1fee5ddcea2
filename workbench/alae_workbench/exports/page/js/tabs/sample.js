// Samples of seeds, and variations of one.

import { LARGEST_SEED } from "../model.js";
import { coalesce, describeSource, el, makeButton, makePicture, makePictureButton, makeSlider } from "../parts.js";
import { downloadCanvas } from "../pictures.js";
import { readNumber } from "../state.js";

export const title = "Sample";
const COUNT = 12;

export function show(root, model, values, save, open) {
  let seed = Math.floor(readNumber(values.seed, 0, 0, LARGEST_SEED - COUNT));
  let psi = readNumber(values.psi, model.truncation?.psi ?? 1, 0, 1);
  let chosen = model.requireSource(values.of, null);
  const large = makePicture(model, "Sample", "large");
  const caption = el("p", { class: "caption" });
  const tiles = Array.from({ length: COUNT }, (_, i) => makePictureButton(model, "Sample", () => choose(sources()[i])));
  const grid = el("div", { class: "grid", role: "group" }, ...tiles.map((tile) => tile.node));

  // Variation 0 would be the sample itself.
  const base = () => chosen.split(".")[0];
  const sources = () => Array.from({ length: COUNT }, (_, i) => (chosen ? `${base()}.${i + 1}` : `s${seed + i}`));

  const draw = coalesce(async () => {
    const now = sources();
    const latents = (source) => model.latents(source, psi);
    const picture = await model.generate(await latents(chosen ?? now[0]));
    large.show(picture, describeSource(chosen ?? now[0]));
    caption.textContent = chosen ? `Variations of ${describeSource(base())}` : `Seeds ${seed} to ${seed + COUNT - 1}`;
    back.hidden = !chosen;
    for (const [i, source] of now.entries()) {
      tiles[i].show(await model.generate(await latents(source)), describeSource(source));
      tiles[i].node.title = chosen ? describeSource(source) : `${describeSource(source)}. Show variations`;
      tiles[i].node.setAttribute("aria-pressed", source === chosen);
    }
  });
  function update() {
    input.value = seed;
    save({ seed, psi: model.truncation ? psi : "", of: chosen ?? "" });
    draw();
  }
  function choose(source) {
    chosen = source;
    update();
  }
  function moveTo(first) {
    seed = Math.min(LARGEST_SEED - COUNT, Math.max(0, Math.floor(first) || 0));
    choose(null);
  }

  const input = el("input", { type: "number", min: 0, value: seed, inputmode: "numeric", onchange: () => moveTo(Number(input.value)) });
  const back = makeButton("Back to seeds", () => choose(null), { hidden: true });
  root.append(
    el(
      "div",
      { class: "tools" },
      el("label", {}, "First seed ", input),
      makeButton("Previous", () => moveTo(seed - COUNT)),
      makeButton("Next", () => moveTo(seed + COUNT)),
      makeButton("Random", () => moveTo(Math.random() * 100_000)),
      model.truncation &&
        makeSlider({ label: "Truncation ψ", least: 0, most: 1, step: 0.05, value: psi, format: (value) => value.toFixed(2), oninput: (value) => ((psi = value), update()) }).node,
    ),
    el(
      "div",
      { class: "columns" },
      el(
        "figure",
        {},
        large.node,
        el(
          "div",
          { class: "tools" },
          makeButton("Edit", () => open("edit", { of: chosen ?? `s${seed}`, psi: model.truncation ? psi : "" }), { class: "primary" }),
          makeButton("Download", () => downloadCanvas(`${chosen ?? `s${seed}`}.png`, large.node)),
          back,
        ),
      ),
      el("div", {}, caption, grid, el("p", { class: "quiet hint" }, "Choose a picture to see its variations.")),
    ),
  );
  draw();
}
