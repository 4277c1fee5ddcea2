// F, G and E, run by the server of this page: `alae demo --server`.

/** Return a function that lets the server run a network, by name, on its inputs. */
export function loadNetworks() {
  return async (name, inputs) => {
    const headers = { "Content-Type": "application/octet-stream" };
    const body = new Blob(inputs.map(({ numbers }) => numbers));
    const answer = await fetch(`run/${name}`, { method: "POST", headers, body }).catch(explainFailure);
    if (!answer.ok) throw new Error(`The server gave no picture: ${await answer.text()}`);
    return new Float32Array(await answer.arrayBuffer());
  };
}

function explainFailure(error) {
  // What browsers throw without a connection, with a message of their own.
  throw error instanceof TypeError ? new Error("The server of this page does not answer. If it was stopped, start it again.") : error;
}
