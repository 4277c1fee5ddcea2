// Pictures and canvases, files and downloads.

import { loadFile } from "./files.js";

/** Largest file, and largest number of pixels, that is opened. */
const MOST_BYTES = 40e6;
const MOST_PIXELS = 100e6;
/** Where a JPEG states its size: after the camera's data, of at most 64 kB for each part. */
const HEADER_BYTES = 2 ** 18;

/** Draw a picture on a canvas of its own size. */
export function drawPicture(canvas, picture, { height, width, channels }) {
  canvas.width = width;
  canvas.height = height;
  const pixels = new ImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const value = picture[i * channels + (channels === 3 ? channel : 0)];
      pixels.data[4 * i + channel] = Math.round((value + 1) * 127.5);
    }
    pixels.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** Return the picture in a region of a canvas or image, scaled to the model's size. */
export function readPicture(source, size, { x, y, w, h }) {
  const { height, width } = size;
  const context = makeContext(width, height);
  context.imageSmoothingQuality = "high";
  // Transparent pixels become white.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(shrink(source, x, y, w, h, width, height), 0, 0, width, height);
  return readCanvas(context, size);
}

/** Return a context to draw and read pictures of this size. */
function makeContext(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext("2d", { willReadFrequently: true });
}

/** Return the picture that a canvas of the model's size shows. */
function readCanvas(context, { height, width, channels }) {
  const { data } = context.getImageData(0, 0, width, height);
  const picture = new Float32Array(width * height * channels);
  for (let i = 0; i < width * height; i += 1) {
    const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
    const values = channels === 3 ? [red, green, blue] : [0.299 * red + 0.587 * green + 0.114 * blue];
    values.forEach((value, channel) => {
      picture[i * channels + channel] = value / 127.5 - 1;
    });
  }
  return picture;
}

/** Halve a region until it is less than twice the wanted size: browsers skip pixels if they shrink by more at once. */
function shrink(source, x, y, w, h, width, height) {
  let canvas = document.createElement("canvas");
  // At least 1, of regions that are narrower than a pixel.
  canvas.width = Math.max(1, Math.min(w, Math.max(width, 4096)));
  canvas.height = Math.max(1, Math.min(h, Math.max(height, 4096)));
  canvas.getContext("2d").drawImage(source, x, y, w, h, 0, 0, canvas.width, canvas.height);
  while (canvas.width >= 2 * width && canvas.height >= 2 * height) {
    const half = document.createElement("canvas");
    half.width = Math.floor(canvas.width / 2);
    half.height = Math.floor(canvas.height / 2);
    half.getContext("2d").drawImage(canvas, 0, 0, half.width, half.height);
    canvas = half;
  }
  return canvas;
}

/** Return the largest region in the centre of a source that has the model's aspect ratio. */
function findCentre(source, { height, width }) {
  const scale = Math.min(source.width / width, source.height / height);
  const [w, h] = [width * scale, height * scale];
  return { x: (source.width - w) / 2, y: (source.height - h) / 2, w, h };
}

/** Read a picture file, cropped to its centre. Throws an Error with a message for the user if it is not a picture. */
export async function readFile(file, size) {
  if (file.size > MOST_BYTES) {
    throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB; the limit is ${MOST_BYTES / 1e6} MB.`);
  }
  // Vector images may contain scripts and links. A bitmap is never asked to run them, and this page opens no others.
  const start = new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer());
  if (!isBitmap(start)) throw new Error(`${file.name} is not a PNG, JPEG, WebP, GIF, AVIF or BMP picture.`);
  limitPixels(file, readPngSize(start) || readJpegSize(start));
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} cannot be read as a picture; it may be damaged.`);
  }
  try {
    limitPixels(file, bitmap.width * bitmap.height);
    const cropped = bitmap.width * size.height !== bitmap.height * size.width;
    return { picture: readPicture(bitmap, size, findCentre(bitmap, size)), cropped };
  } finally {
    bitmap.close();
  }
}

function limitPixels(file, pixels) {
  if (pixels > MOST_PIXELS) {
    throw new Error(`${file.name} has ${Math.round(pixels / 1e6)} million pixels; the limit is ${MOST_PIXELS / 1e6}.`);
  }
}

/** Return the picture that a video shows, cropped to its centre. */
export function readVideo(video, size) {
  const frame = document.createElement("canvas");
  [frame.width, frame.height] = [video.videoWidth, video.videoHeight];
  frame.getContext("2d").drawImage(video, 0, 0);
  return readPicture(frame, size, findCentre(frame, size));
}

function isBitmap(bytes) {
  const text = String.fromCharCode(...bytes.subarray(0, 16));
  return (
    text.startsWith("\x89PNG\r\n\x1a\n") ||
    text.startsWith("\xff\xd8\xff") ||
    text.startsWith("GIF8") ||
    text.startsWith("BM") ||
    (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") ||
    /^.{4}ftyp(avif|avis|mif1)/s.test(text)
  );
}

/** Return the number of pixels that a PNG's header states; 0 for other files. */
function readPngSize(bytes) {
  const view = new DataView(bytes.buffer);
  return bytes[0] === 0x89 && bytes.length >= 24 ? view.getUint32(16) * view.getUint32(20) : 0;
}

/** Return the number of pixels that a JPEG's frame header states; 0 for other files. */
function readJpegSize(bytes) {
  const view = new DataView(bytes.buffer);
  if (bytes[0] !== 0xff) return 0;
  for (let at = 2; at + 9 <= bytes.length && bytes[at] === 0xff; at += 2 + view.getUint16(at + 2)) {
    const marker = bytes[at + 1];
    // Frame headers; C4, C8 and CC are other segments.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return view.getUint16(at + 5) * view.getUint16(at + 7);
  }
  return 0;
}

/** Split a row of example images, side by side in one file, into pictures. */
export async function loadExamples(url, count, size) {
  if (!count) return [];
  const { height, width } = size;
  const bitmap = await createImageBitmap(await (await loadFile(url)).blob());
  // One canvas for all, because canvases take longer to make than pictures to read.
  const context = makeContext(width, height);
  const pictures = Array.from({ length: count }, (_, i) => {
    context.drawImage(bitmap, i * width, 0, width, height, 0, 0, width, height);
    return readCanvas(context, size);
  });
  bitmap.close();
  return pictures;
}

/** Offer a file to download. */
export function download(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Offer a canvas as a PNG file. */
export function downloadCanvas(name, canvas) {
  canvas.toBlob((blob) => download(name, blob), "image/png");
}

/** Return rows of numbers as a NumPy file of float32. */
export function makeNpy(rows) {
  const shape = `(${rows.length}, ${rows[0].length})`;
  let header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const length = new Uint8Array([header.length & 255, header.length >> 8]);
  return new Blob([new Uint8Array([0x93]), "NUMPY", new Uint8Array([1, 0]), length, header, ...rows]);
}
