// The page: loads the model, and shows the tab that the URL fragment names.

import { loadModel } from "./model.js";
import { el, makeClassChoice, showError } from "./parts.js";
import { receiveFiles } from "./sources.js";
import { formatFragment, parseFragment } from "./state.js";
import * as edit from "./tabs/edit.js";
import * as interpolate from "./tabs/interpolate.js";
import * as mix from "./tabs/mix.js";
import * as reconstruct from "./tabs/reconstruct.js";
import * as sample from "./tabs/sample.js";

const TABS = { sample, reconstruct, mix, interpolate, edit };
const FOLDER = "model/";
const PRIVACY = {
  browser: "Everything is computed in this browser. Your pictures never leave this device.",
  server: "Pictures are computed by the server of this page. It receives those that you open, and stores none.",
};

// A model is slow if it takes longer for a picture, in seconds.
const SLOW = 0.5;

const panel = document.getElementById("panel");
const bar = document.getElementById("tabs");

async function begin() {
  const model = await loadModel(FOLDER, showProgress);
  document.title = `${model.title} · ALAE`;
  document.getElementById("title").textContent = model.title;
  document.getElementById("about").textContent = describeModel(model);
  document.getElementById("privacy").textContent = PRIVACY[model.computedBy];
  document.getElementById("licence").textContent = `Training images: ${model.description.licence}`;
  addEventListener("hashchange", () => show(model));
  receiveFiles();
  bar.addEventListener("keydown", moveBetweenTabs);
  if (model.computedBy === "browser") model.ontime = noteTimes();
  show(model);
  // For tests, and for measuring how long loading takes.
  document.documentElement.dataset.ready = Math.round(performance.now());
}

function showProgress(bytes, all) {
  const megabytes = (all / 1e6).toFixed(0);
  document.getElementById("status").textContent = bytes < all ? `Loading the model, ${megabytes} MB…` : "Preparing the model…";
  const progress = document.getElementById("progress");
  progress.hidden = false;
  progress.value = bytes / all;
}

/** Return a function of the seconds that a picture took; it says on the page if pictures are slow. */
function noteTimes() {
  let fastest = Infinity;
  let count = 0;
  return (seconds) => {
    count += 1;
    fastest = Math.min(fastest, seconds);
    // The first ones take longer.
    if (count !== 3 || fastest < SLOW) return;
    const line = document.getElementById("speed");
    line.textContent = `This model is large for a browser: each picture takes ${fastest.toFixed(1)} seconds. “alae demo --server” computes pictures outside the browser.`;
    line.hidden = false;
  };
}

function describeModel({ trainingImages, width, height, w }) {
  const images = trainingImages ? `${trainingImages.toLocaleString("en")} images` : "images";
  return `An Adversarial Latent Autoencoder, trained on ${images} of ${width}×${height} pixels. It encodes a picture as ${w} numbers, w, and draws pictures from such numbers.`;
}

function show(model) {
  const { tab, values } = parseFragment(location.hash);
  const name = Object.hasOwn(TABS, tab) ? tab : "sample";
  const given = model.readClass(values.class);
  model.label = given ?? model.classOf(TABS[name].findSource?.(model, values)) ?? 0;
  showError(null);
  document.getElementById("notice").hidden = model.fits(values);
  // The element with the focus is made anew.
  const focused = document.activeElement?.id;
  bar.replaceChildren(
    ...Object.entries(TABS).map(([key, { title }]) =>
      el(
        "a",
        { href: `#${key}`, role: "tab", id: `tab-${key}`, "aria-selected": String(key === name), "aria-controls": "panel", tabindex: key === name ? 0 : -1 },
        title,
      ),
    ),
  );
  panel.setAttribute("aria-labelledby", `tab-${name}`);
  document.getElementById("hint").textContent = TABS[name].hint;
  const content = el("div", { class: `tab tab-${name}` });
  panel.replaceChildren(content);
  // Samples are of each class in turn, unless one is chosen.
  const label = model.classes && (given !== null || name !== "sample") ? model.label : null;
  const open = (key, changed) => {
    location.hash = formatFragment(key, { class: label, ...changed });
  };
  // This does not count as a change of the fragment. A tab that was left may still be drawing.
  const save = (changed) => content.isConnected && history.replaceState(null, "", formatFragment(name, { ...changed, class: label }));
  if (model.classes) {
    const choose = (chosen) => open(name, { ...parseFragment(location.hash).values, class: chosen });
    content.append(makeClassChoice(model, label, name === "sample", choose));
  }
  TABS[name].show(content, model, { ...values }, save, open);
  document.getElementById(focused)?.focus();
}

function moveBetweenTabs(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const names = Object.keys(TABS);
  const now = names.findIndex((name) => document.activeElement?.id === `tab-${name}`);
  if (!step || now < 0) return;
  event.preventDefault();
  const next = names[(now + step + names.length) % names.length];
  // `show` keeps the focus.
  document.getElementById(`tab-${next}`).focus();
  location.hash = `#${next}`;
}

begin().catch((error) => {
  panel.replaceChildren();
  showError(new Error(`The model cannot be loaded: ${error.message}`));
});
