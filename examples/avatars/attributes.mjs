// The attributes of an avatar: their values, how often each is drawn, and the DiceBear options that draw them.

import { createHash } from 'node:crypto';

// For each attribute its values: how DiceBear draws a value (the name of a part, or a colour), and its weight.
const VALUES = {
  hair: {
    long: ['long', 1],
    'extra-long': ['extraLong', 1],
    'side-shave': ['sideShave', 1],
    'bob-cut': ['bobCut', 1],
    'bob-bangs': ['bobBangs', 1],
    pigtails: ['pigtails', 1],
    curly: ['curly', 1],
    'curly-high-top': ['curlyHighTop', 1],
    'curly-bun': ['curlyBun', 1],
    'straight-bun': ['straightBun', 1],
    'bun-undercut': ['bunUndercut', 1],
    'short-combover': ['shortCombover', 1],
    'short-combover-chops': ['shortComboverChops', 1],
    buzzcut: ['buzzcut', 1],
    fade: ['fade', 1],
    mohawk: ['mohawk', 1],
    balding: ['balding', 1],
    bald: ['bald', 1],
    cap: ['cap', 2],
    beanie: ['beanie', 2],
  },
  'hair-colour': {
    black: ['362c47', 1],
    brown: ['6c4545', 1],
    ginger: ['f27d65', 1],
    blond: ['f2b950', 1],
    pink: ['e16381', 1],
    white: ['dee1f5', 1],
  },
  eyes: {
    open: ['open', 3],
    happy: ['happy', 2],
    wink: ['wink', 1],
    closed: ['sleep', 1],
    glasses: ['glasses', 2],
    sunglasses: ['sunglasses', 2],
  },
  mouth: {
    smile: ['smile', 2],
    'big-smile': ['bigSmile', 2],
    lips: ['lips', 1],
    frown: ['frown', 1],
    surprise: ['surprise', 1],
  },
  beard: {
    none: [null, 7],
    full: ['beardMustache', 2],
    moustache: ['pyramid', 1],
    walrus: ['walrus', 1],
    goatee: ['goatee', 1],
    stubble: ['shadow', 1],
  },
  skin: {
    light: ['f3b79e', 1],
    tan: ['dd8f5f', 1],
    brown: ['a8552a', 1],
    dark: ['74361a', 1],
  },
  clothing: {
    shirt: ['squared', 1],
    wide: ['rounded', 1],
    wrap: ['small', 1],
    checkered: ['checkered', 1],
  },
  'clothing-colour': {
    blue: ['456dff', 1],
    teal: ['54d7c7', 1],
    purple: ['7555ca', 1],
    green: ['6dbb58', 1],
    red: ['e24553', 1],
    yellow: ['f3b63a', 1],
  },
};

// Attributes that follow from the values above: 1 if the avatar has them, otherwise 0.
const PROPERTIES = {
  glasses: ({ eyes }) => ['glasses', 'sunglasses'].includes(eyes),
  hat: ({ hair }) => ['cap', 'beanie'].includes(hair),
  'long-hair': ({ hair }) => ['long', 'extra-long', 'side-shave', 'bob-cut', 'bob-bangs'].includes(hair),
  'facial-hair': ({ beard }) => beard !== 'none',
  smiling: ({ mouth }) => ['smile', 'big-smile'].includes(mouth),
  'dark-skin': ({ skin }) => ['brown', 'dark'].includes(skin),
};

// The titles of all attributes, in the order of the table.
export const TITLES = [...Object.keys(PROPERTIES), ...Object.keys(VALUES)];

// Draw the attributes of avatar `index`. They depend on `seed` and `index` only, and are independent of each other,
// except that a hidden attribute has a value that says so.
export function drawAttributes(seed, index) {
  const drawn = {};
  for (const [title, values] of Object.entries(VALUES)) {
    drawn[title] = choose(values, drawFraction(`${seed}/${index}/${title}`));
  }
  // A full beard covers the mouth. The colour of hair shows in a beard even below a hat.
  if (drawn.beard === 'full') drawn.mouth = 'hidden';
  if (['bald', 'cap', 'beanie'].includes(drawn.hair) && drawn.beard === 'none') drawn['hair-colour'] = 'hidden';
  const properties = Object.entries(PROPERTIES).map(([title, holds]) => [title, holds(drawn) ? 1 : 0]);
  return { ...Object.fromEntries(properties), ...drawn };
}

// Return the options with which DiceBear draws these attributes, and nothing at random.
export function makeOptions(attributes) {
  const draw = (title) => [(VALUES[title][attributes[title]] ?? Object.values(VALUES[title])[0])[0]];
  return {
    hair: draw('hair'),
    hairColor: draw('hair-colour'),
    eyes: draw('eyes'),
    mouth: draw('mouth'),
    facialHair: attributes.beard === 'none' ? [] : draw('beard'),
    facialHairProbability: attributes.beard === 'none' ? 0 : 100,
    skinColor: draw('skin'),
    body: draw('clothing'),
    clothingColor: draw('clothing-colour'),
    backgroundColor: ['ffffff'],
    nose: ['mediumRound'],
    // Crop the margins: the tallest hair touches the edge.
    scale: 114,
  };
}

// Return a number in [0, 1) that depends on `key` only.
function drawFraction(key) {
  return createHash('sha256').update(key).digest().readUInt32BE(0) / 2 ** 32;
}

function choose(values, fraction) {
  const total = Object.values(values).reduce((sum, [, weight]) => sum + weight, 0);
  let rest = fraction * total;
  return Object.keys(values).find((name) => (rest -= values[name][1]) < 0);
}
