// The state of the page as text in the URL fragment: `#tab?key=value&…`. A link with it opens the same pictures.

/** Return the tab and its parameters in a fragment; texts that cannot be decoded count as absent. */
export function parseFragment(fragment) {
  const [tab, query = ""] = fragment.replace(/^#/, "").split("?");
  return { tab, values: Object.fromEntries(new URLSearchParams(query)) };
}

/** Return the fragment of a tab and its parameters. */
export function formatFragment(tab, values) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value != null));
  // These characters are allowed in a fragment, and keep it readable.
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return text ? `#${tab}?${text}` : `#${tab}`;
}

/** Return `text` as a number within limits, or `usual` if it is not one. */
export function readNumber(text, usual, least, most) {
  const value = text === undefined || text === "" ? NaN : Number(text);
  return Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : usual;
}

/** Return float32 numbers as URL-safe base64. */
export function encodeNumbers(numbers) {
  const bytes = new Uint8Array(new Float32Array(numbers).buffer);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Return the `count` finite numbers that a text encodes, or null if it does not. */
export function decodeNumbers(text, count) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const numbers = bytes.length === 4 * count ? new Float32Array(bytes.buffer) : null;
    return numbers?.every(Number.isFinite) ? numbers : null;
  } catch {
    return null;
  }
}
