// Samples of seeds, and variations of one.

import { LARGEST_SEED } from "../model.js";
import { coalesce, describeSource, el, makeButton, makePicture, makePictureButton, makeSlider } from "../parts.js";
import { downloadCanvas } from "../pictures.js";
import { readNumber } from "../state.js";

export const title = "Sample";
export const hint = "Each picture is drawn from random numbers, which its seed selects. Choose one to see variations of it.";
const COUNT = 12;

export function show(root, model, values, save, open) {
  let seed = Math.floor(readNumber(values.seed, 0, 0, LARGEST_SEED - COUNT));
  let psi = readNumber(values.psi, model.truncation?.psi ?? 1, 0, 1);
  const given = model.requireSource(values.of, null);
  let chosen = given?.startsWith("s") ? given : null;
  const large = makePicture(model, "Sample", "large");
  const caption = el("p", { class: "caption" });
  const tiles = Array.from({ length: COUNT }, (_, i) => makePictureButton(model, "Sample", () => choose(sources()[i])));
  const grid = el("div", { class: "grid", role: "group", "aria-label": "Samples" }, ...tiles.map((tile) => tile.node));

  // Variation 0 would be the sample itself.
  const base = () => chosen.split(".")[0];
  // Without a choice, each class in turn.
  const classOf = (source) => model.readClass(values.class) ?? modulo(Number(source.slice(1).split(".")[0]) - seed, model.classes);
  const sources = () => Array.from({ length: COUNT }, (_, i) => (chosen ? `${base()}.${i + 1}` : `s${seed + i}`));

  const draw = coalesce(async (isStale) => {
    const now = sources();
    const describe = (source) => `${describeSource(source)}${model.describeClass(classOf(source))}`;
    const generate = async (source) => model.generate(await model.latents(source, psi, classOf(source)), classOf(source));
    large.show(await generate(chosen ?? now[0]), describe(chosen ?? now[0]));
    caption.textContent = chosen ? `Variations of ${describe(base())}` : `Seeds ${seed} to ${seed + COUNT - 1}`;
    back.hidden = !chosen;
    for (const [i, source] of now.entries()) {
      if (isStale()) return;
      tiles[i].show(await generate(source), describe(source));
      tiles[i].node.title = chosen ? describe(source) : `${describe(source)}. Show variations`;
      tiles[i].node.setAttribute("aria-pressed", source === chosen);
    }
  }, root);
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

  function edit() {
    const of = chosen ?? `s${seed}`;
    open("edit", { of, psi: model.truncation ? psi : "", class: model.classes ? classOf(of) : "" });
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
          makeButton("Edit", edit, { class: "primary" }),
          makeButton("Download", () => downloadCanvas(`${chosen ?? `s${seed}`}.png`, large.node)),
          back,
        ),
      ),
      el("div", {}, caption, grid),
    ),
  );
  draw();
}

/** Return the remainder of a division, which is not negative; 0 for a model without classes. */
function modulo(value, divisor) {
  return divisor ? ((value % divisor) + divisor) % divisor : 0;
}
