// A picture moved along directions in w.

import { mapLatents } from "../model.js";
import { coalesce, describeSource, el, formatSigned, makeButton, makePicture, makeSlider } from "../parts.js";
import { download, downloadCanvas, makeNpy } from "../pictures.js";
import { chooseSource, findPictureSource } from "../sources.js";
import { readNumber } from "../state.js";

export const title = "Edit";
export const hint = "Move a slider to change the picture in one respect. Others may change with it.";
export { findPictureSource as findSource };
const LIMIT = 4;
// Directions that are shown first.
const FEW = 8;

export function show(root, model, values, save, open) {
  let source = findPictureSource(model, values);
  const psi = readNumber(values.psi, model.truncation?.psi ?? 1, 0, 1);
  const amounts = readAmounts(model, values.move);
  let filter = "";
  let all = false;
  const before = makePicture(model, "Before", "large");
  const after = makePicture(model, "After", "large");
  const list = el("div", { class: "directions" });
  const sliders = new Map();

  const moved = async () => {
    const w = await model.latents(source, psi);
    return mapLatents(w, (latent) =>
      latent.map((value, i) => [...amounts].reduce((sum, [name, amount]) => sum + amount * model.directions[name][i], value)),
    );
  };
  const draw = coalesce(async () => {
    before.show(await model.generate(await model.latents(source, psi)), `Before: ${describeSource(source)}${model.describeClass()}`);
    after.show(await model.generate(await moved()), `After: ${describeSource(source)}${model.describeClass()}, ${describeMoves(model, amounts)}`);
  }, root);
  const state = () => ({ of: source, psi: values.psi, move: [...amounts].map(([name, amount]) => `${name}:${amount}`).join(",") });
  function update() {
    save(state());
    draw();
  }
  async function choose() {
    source = (await chooseSource(model, "picture", source)) ?? source;
    const label = model.classOf(source) ?? model.label;
    if (label === model.label) update();
    else open("edit", { ...state(), class: label });
  }
  function setAmount(name, amount) {
    if (amount) amounts.set(name, amount);
    else amounts.delete(name);
    update();
  }
  function buildList() {
    const names = Object.keys(model.directions);
    const words = filter.toLowerCase().split(/\s+/);
    const matching = names.filter((name) => words.every((word) => model.labels[name].toLowerCase().includes(word)));
    // Directions of a link come first.
    const first = names.filter((name) => amounts.has(name));
    const shown = all || filter ? matching : [...new Set([...first, ...matching])].slice(0, Math.max(FEW, first.length));
    sliders.clear();
    list.replaceChildren(
      ...shown.map((name) => {
        const label = model.labels[name];
        const slider = makeSlider({ label, least: -LIMIT, most: LIMIT, step: 0.1, value: amounts.get(name) ?? 0, format: formatSigned, oninput: (value) => setAmount(name, value) });
        sliders.set(name, slider);
        return slider.node;
      }),
      shown.length ? "" : el("p", { class: "quiet" }, "No direction has this name."),
    );
    more.hidden = all || Boolean(filter) || names.length <= FEW;
    more.textContent = `Show all ${names.length}`;
  }
  const more = makeButton("Show all", () => ((all = true), buildList()));
  const search = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter directions", oninput: () => ((filter = search.value.trim()), buildList()) });
  const reset = makeButton("Reset", () => {
    amounts.clear();
    for (const slider of sliders.values()) slider.set(0);
    update();
  });

  root.append(
    el(
      "div",
      { class: "columns" },
      el(
        "div",
        {},
        el("div", { class: "pair" }, el("figure", {}, before.node, el("figcaption", {}, "Before")), el("figure", {}, after.node, el("figcaption", {}, "After"))),
        el(
          "div",
          { class: "tools" },
          makeButton("Choose picture", choose, { class: "primary" }),
          makeButton("Download picture", () => downloadCanvas("edited.png", after.node)),
          makeButton("Download w", async () => {
            const w = await moved();
            download("w.npy", makeNpy(Array.isArray(w) ? w : [w]));
          }),
        ),
      ),
      el(
        "div",
        { class: "stack" },
        el("div", { class: "tools" }, el("span", {}, "Directions, in standard deviations of w"), search),
        list,
        el("div", { class: "tools" }, more, reset),
      ),
    ),
  );
  buildList();
  draw();
}

function readAmounts(model, text) {
  const pairs = (text ?? "").split(",").map((part) => part.split(":"));
  const known = pairs.filter(([name]) => Object.hasOwn(model.directions, name));
  return new Map(known.map(([name, amount]) => [name, readNumber(amount, 0, -LIMIT, LIMIT)]).filter(([, amount]) => amount));
}

function describeMoves(model, amounts) {
  return [...amounts].map(([name, amount]) => `${model.labels[name]} ${formatSigned(amount)}`).join(", ") || "unchanged";
}
