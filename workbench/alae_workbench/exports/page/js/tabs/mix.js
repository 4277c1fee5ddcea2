// Two rows of sources, and the mixture of each pair: by layers for style networks, otherwise by a share of w.

import { blend, layerOf } from "../model.js";
import { coalesce, describeSource, el, makeChoice, makePicture, makePictureButton, makeSlider } from "../parts.js";
import { makeSourceButton } from "../sources.js";
import { readNumber } from "../state.js";

export const title = "Mix";
export const hint = "Each picture mixes the one at the start of its row with the one at the top of its column. Choose one of those to replace it.";
const COUNT = 3;

export function show(root, model, values, save) {
  const read = (text, first) => {
    const sources = (text ?? "").split(",");
    return Array.from({ length: COUNT }, (_, i) => model.requireSource(sources[i], `s${first + i}`));
  };
  const rows = read(values.rows, 0);
  const columns = read(values.columns, 10);
  let share = readNumber(values.share, 0.5, 0, 1);
  const names = Object.keys(model.layerRanges);
  let layers = names.includes(values.layers) ? values.layers : names.at(-1);
  const large = makePicture(model, "Mixture", "large");
  const caption = el("p", { class: "caption" });
  let chosen = Math.floor(readNumber(values.at, 4, 0, COUNT * COUNT - 1));
  const tiles = Array.from({ length: COUNT * COUNT }, (_, i) => makePictureButton(model, "Mixture", () => ((chosen = i), update())));

  const mixed = async (i) => {
    const [first, second] = [await model.latents(rows[Math.floor(i / COUNT)]), await model.latents(columns[i % COUNT])];
    if (!model.hasStyles) return blend([first, second], [1 - share, share]);
    const [from, to] = model.layerRanges[layers];
    return Array.from({ length: model.layers }, (_, layer) => layerOf(from <= layer && layer < to ? second : first, layer));
  };
  const draw = coalesce(async (isStale) => {
    for (let i = 0; i < tiles.length; i += 1) {
      if (isStale()) return;
      const text = `${describeSource(rows[Math.floor(i / COUNT)])} with ${describeSource(columns[i % COUNT])}${model.describeClass()}`;
      const picture = await model.generate(await mixed(i));
      tiles[i].show(picture, text);
      tiles[i].node.title = text;
      tiles[i].node.setAttribute("aria-pressed", i === chosen);
      if (i === chosen) {
        large.show(picture, text);
        caption.textContent = text;
      }
    }
  }, root);
  function update() {
    save({ rows: rows.join(","), columns: columns.join(","), at: chosen, ...(model.hasStyles ? { layers } : { share }) });
    draw();
  }
  const button = (name, list, i) => makeSourceButton(model, name, list[i], (source) => ((list[i] = source), update()));

  const table = el("div", { class: "mix" }, el("span", { class: "corner quiet" }, "columns →", el("br"), "rows ↓"));
  columns.forEach((_, i) => table.append(button(`column ${i + 1}`, columns, i)));
  rows.forEach((_, i) => table.append(button(`row ${i + 1}`, rows, i), ...tiles.slice(i * COUNT, (i + 1) * COUNT).map((tile) => tile.node)));
  root.append(
    el(
      "div",
      { class: "tools" },
      model.hasStyles
        ? makeChoice("Layers from the columns", names.map((name) => [name, name]), layers, (value) => ((layers = value), update()))
        : makeSlider({ label: "Share of the columns", least: 0, most: 1, step: 0.05, value: share, format: (value) => `${Math.round(100 * value)} %`, oninput: (value) => ((share = value), update()) }).node,
      model.hasStyles ? el("span", { class: "quiet" }, "Coarse layers set large shapes, fine layers details and colours.") : null,
    ),
    el("div", { class: "columns" }, el("figure", {}, large.node, caption), table),
  );
  draw();
}
