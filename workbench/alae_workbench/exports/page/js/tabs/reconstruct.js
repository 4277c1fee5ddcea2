// An image, its reconstruction G(E(x)), and how well the model explains it.

import { coalesce, describeSource, el, makeButton, makePicture } from "../parts.js";
import { downloadCanvas } from "../pictures.js";
import { findPictureSource, keepPicture, makeSourceChooser, pictureOf } from "../sources.js";

export const title = "Reconstruct";
export const hint = "The model encodes an image as w, and draws it again from w alone. Open a picture of your own, or choose an example. The reciprocity error is the change of w when the reconstruction is encoded again.";
export { findPictureSource as findSource };

export function show(root, model, values, save, open) {
  let source = findPictureSource(model, values);
  let cropped = false;
  const image = makePicture(model, "Image", "large");
  const reconstruction = makePicture(model, "Reconstruction", "large");
  const missing = el("p", { class: "large absent quiet", hidden: true }, "A link holds the latent of a picture, not the picture itself.");
  const error = el("p", { class: "caption" });
  const note = el("p", { class: "quiet hint" });

  const draw = coalesce(async () => {
    const drawn = source;
    const picture = await pictureOf(model, drawn);
    // A sample is an image like any other here, so its latent is E of it. E may take the class, which may have changed.
    const isEncoded = picture && (drawn.startsWith("s") || model.classes > 0);
    const w = isEncoded ? await model.encode(picture) : await model.findLatent(drawn);
    if (isEncoded && drawn.startsWith("w") && drawn === source) {
      source = keepPicture(picture, w);
      save({ of: source });
    }
    const again = await model.generate(w);
    image.node.hidden = !picture;
    missing.hidden = Boolean(picture);
    if (picture) image.show(picture, `Image: ${describeSource(source)}`);
    reconstruction.show(again, `Reconstruction of ${describeSource(source)}`);
    error.textContent = describeErrors(model, await model.reciprocityError(w, again), picture && measureDistance(picture, again));
    note.textContent = cropped ? model.hint : "";
  }, root);
  function choose(chosen, isCropped = false) {
    const label = model.classOf(chosen) ?? model.label;
    if (label !== model.label) {
      open("reconstruct", { of: chosen, class: label });
      return;
    }
    [source, cropped] = [chosen, isCropped];
    save({ of: source });
    draw();
  }

  root.append(
    el(
      "div",
      { class: "pair" },
      el("figure", {}, image.node, missing, el("figcaption", {}, "Image")),
      el("figure", {}, reconstruction.node, el("figcaption", {}, "Reconstruction")),
    ),
    error,
    note,
    el(
      "div",
      { class: "tools centre" },
      makeButton("Edit", () => open("edit", { of: source }), { class: "primary" }),
      makeButton("Download", () => downloadCanvas("reconstruction.png", reconstruction.node)),
    ),
    makeSourceChooser(model, source, choose),
  );
  draw();
}

function measureDistance(first, second) {
  return Math.sqrt(first.reduce((sum, value, i) => sum + (value - second[i]) ** 2, 0) / first.length) / 2;
}

function describeErrors(model, reciprocity, distance) {
  const parts = [`Reciprocity error ${reciprocity.toFixed(3)}`];
  if (model.meanReciprocity !== null) parts.push(`${model.meanReciprocity.toFixed(3)} on average for ${model.meanOf}`);
  const text = parts.join("; ");
  return distance === null ? `${text}.` : `${text}. Pixels differ by ${(100 * distance).toFixed(1)} %.`;
}
