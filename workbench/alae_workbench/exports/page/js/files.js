// Files of this page.

/** Load a file of this page; return the answer. Throws an Error if there is none. */
export async function loadFile(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} cannot be loaded: ${answer.status}`);
  return answer;
}
