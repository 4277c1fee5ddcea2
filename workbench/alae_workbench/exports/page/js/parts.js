// Parts that tabs share: elements, pictures, sliders, and the choice of a source.

import { drawPicture } from "./pictures.js";

/** Return an element. Properties that start with "on" are listeners, others attributes; false and null omit one. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

// Number of drawings that run.
let drawing = 0;

/**
 * Return a function that calls `draw`, but never twice at once: calls during a call become one call after it.
 *
 * `draw` gets a function that returns whether another call waits or `root` has left the page, so that it need not
 * draw the rest. The panel is marked as busy meanwhile. An error is shown until the next call.
 */
export function coalesce(draw, root = document.body) {
  let running = false;
  let again = false;
  const isStale = () => again || !root.isConnected;
  return async function run() {
    again = true;
    if (running) return;
    running = true;
    countDrawings(1);
    while (again) {
      again = false;
      showError(null);
      await draw(isStale).catch((error) => root.isConnected && showError(error));
    }
    countDrawings(-1);
    running = false;
  };
}

/** Mark the panel as busy until `work`, a promise, is done. */
export async function showBusy(work) {
  countDrawings(1);
  try {
    return await work;
  } finally {
    countDrawings(-1);
  }
}

function countDrawings(change) {
  drawing += change;
  document.getElementById("panel").setAttribute("aria-busy", String(drawing > 0));
}

/** Show an error's message below the panel; null removes it. */
export function showError(error) {
  const line = document.getElementById("error");
  line.hidden = !error;
  // WebAssembly can throw numbers.
  line.textContent = error ? (error.message ?? String(error)) : "";
}

/** Return a picture on the page: a canvas with a text for screen readers, and `show` to draw on it. */
export function makePicture(model, text, className = "") {
  const canvas = el("canvas", {
    role: "img",
    "aria-label": text,
    class: `picture ${className}`,
    width: model.width,
    height: model.height,
  });
  return {
    node: canvas,
    show(picture, label = text) {
      drawPicture(canvas, picture, model);
      canvas.setAttribute("aria-label", label);
      canvas.dataset.drawn = label;
    },
  };
}

/** Return a picture that is a button. */
export function makePictureButton(model, text, onclick) {
  const picture = makePicture(model, text);
  const button = el("button", { type: "button", class: "tile", title: text, onclick }, picture.node);
  return { node: button, show: (...drawn) => picture.show(...drawn) };
}

/** Return a labelled slider; `oninput` gets its value as a number. */
export function makeSlider({ label, least, most, step, value, format = String, oninput }) {
  const shown = el("output", {}, format(value));
  const input = el("input", {
    type: "range",
    min: least,
    max: most,
    step,
    value,
    "aria-label": label,
    "aria-valuetext": format(value),
    oninput: () => {
      update(Number(input.value));
      oninput(Number(input.value));
    },
  });
  function update(now) {
    shown.textContent = format(now);
    input.setAttribute("aria-valuetext", format(now));
  }
  const node = el("label", { class: "slider" }, el("span", {}, label), input, shown);
  return {
    node,
    set(now) {
      input.value = now;
      update(now);
    },
  };
}

/** Return a button. */
export function makeButton(text, onclick, properties = {}) {
  return el("button", { type: "button", onclick, ...properties }, text);
}

/** Return a group of buttons of which one is chosen. */
export function makeChoice(label, options, chosen, onchange) {
  const buttons = options.map(([value, text]) =>
    makeButton(
      text,
      () => {
        buttons.forEach((button, i) => button.setAttribute("aria-pressed", options[i][0] === value));
        onchange(value);
      },
      { "aria-pressed": String(value === chosen) },
    ),
  );
  return el("div", { class: "choice", role: "group", "aria-label": label }, el("span", {}, label), ...buttons);
}

/** Return a choice of the class of pictures; null stands for each class in turn, which is offered if `turns`. */
export function makeClassChoice(model, chosen, turns, onchange) {
  const classes = Array.from({ length: model.classes }, (_, label) => [label, model.classNames[label] ?? String(label)]);
  const options = turns ? [["", "each in turn"], ...classes] : classes;
  const select = el(
    "select",
    { id: "class", onchange: () => onchange(select.value) },
    ...options.map(([value, text]) => el("option", { value, selected: value === (chosen ?? "") }, text)),
  );
  return el("label", {}, "Class ", select);
}

/** Describe a source in words. */
export function describeSource(source) {
  if (source.startsWith("e")) return `example ${Number(source.slice(1)) + 1}`;
  if (source.startsWith("w")) return "your picture";
  const [seed, variation] = source.slice(1).split(".");
  return variation === undefined ? `seed ${seed}` : `seed ${seed}, variation ${variation}`;
}

/** Format a number with a sign, for amounts of directions. */
export function formatSigned(value) {
  if (Math.abs(value) < 0.05) return "0";
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;
}
