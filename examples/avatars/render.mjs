// Render cartoon avatars into a folder, with a table of their exact attributes: node render.mjs --help

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { createAvatar } from '@dicebear/core';
import * as personas from '@dicebear/personas';
import { Resvg } from '@resvg/resvg-js';

import { TITLES, drawAttributes, makeOptions } from './attributes.mjs';

const HELP = `usage: node render.mjs FOLDER [--count 20000] [--size 64] [--seed 0]

Write FOLDER/00000.png and so on, FOLDER/attributes.csv with a row for each image, and FOLDER/LICENSE.txt.
Equal options give equal files, byte for byte, and avatar 00000 is the same for every count.

  --count  number of avatars, 1 to 100000
  --size   width and height in pixels, 8 to 1024
  --seed   integer from 0
`;

function main() {
  const { folder, count, size, seed } = readOptions();
  const rows = [['file', ...TITLES]];
  for (let index = 0; index < count; index++) {
    const attributes = drawAttributes(seed, index);
    const file = `${String(index).padStart(5, '0')}.png`;
    writeFileSync(join(folder, file), renderAvatar(attributes, size));
    rows.push([file, ...TITLES.map((title) => attributes[title])]);
  }
  writeFileSync(join(folder, 'attributes.csv'), rows.map((row) => `${row.join(',')}\n`).join(''));
  writeFileSync(join(folder, 'LICENSE.txt'), describeLicense(count, size, seed));
  console.log(`${folder}: ${count} avatars of ${size}×${size} pixels, attributes.csv, LICENSE.txt`);
}

// Return the avatar with these attributes as the bytes of a PNG file.
function renderAvatar(attributes, size) {
  const svg = createAvatar(personas, makeOptions(attributes)).toString();
  const fitTo = { mode: 'width', value: size };
  return new Resvg(svg, { fitTo, font: { loadSystemFonts: false } }).render().asPng();
}

function describeLicense(count, size, seed) {
  const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
  const versions = Object.entries(dependencies).map(([name, version]) => `${name} ${version}`);
  const { title, creator, source, license } = personas.meta;
  return `${count} avatars of ${size}×${size} pixels, seed ${seed}; made with ${versions.join(', ')}.

The images are a remix of "${title}" (${source}) by ${creator},
licensed under ${license.name} (${license.url}). The margins are cropped, and some colours are changed.
`;
}

function readOptions() {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        count: { type: 'string', default: '20000' },
        size: { type: 'string', default: '64' },
        seed: { type: 'string', default: '0' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    fail(`${error.message}\n\n${HELP}`);
  }
  const { values, positionals } = parsed;
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  if (positionals.length !== 1) fail(`${positionals.length} folders are named; name one\n\n${HELP}`);
  const [folder] = positionals;
  const options = {
    folder,
    count: readInteger('count', values.count, 1, 100000),
    size: readInteger('size', values.size, 8, 1024),
    seed: readInteger('seed', values.seed, 0, Number.MAX_SAFE_INTEGER),
  };
  try {
    mkdirSync(folder, { recursive: true });
    if (readdirSync(folder).length) fail(`${folder} is not empty; name a new folder`);
  } catch (error) {
    fail(`${folder} cannot be a folder of images: ${error.message}`);
  }
  return options;
}

function readInteger(name, text, least, most) {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) fail(`--${name} is ${text}; it must be an integer from ${least} to ${most}`);
  return value;
}

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}

main();
