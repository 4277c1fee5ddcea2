"""Whether w survives being drawn and encoded again, as it is and after an edit."""

from collections.abc import Mapping

import numpy as np

from alae_core import Alae, View
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.registry import UnmeasurableError, measures, parts_seen

#: principal directions of E(x) that images are moved along, and how many of its standard deviations
DIRECTIONS, DEVIATIONS = 3, 2.0


@measures(
    {
        "round_trip": ("E(x) drawn and encoded again: ‖w − E(G(w))‖² / var w, held-out images", "lower"),
        "edit_round_trip": ("the same with an edit on the way there, undone on the way back", "lower"),
    },
    networks="GE",
)
def editing(
    alae: Alae, data: DataSet, view: View | None = None, most: int | None = None, keep: Keep | None = None
) -> Mapping[str, float]:
    """How far w is from where it started, over the total variance of w: 0 is consistent, 1 no better than the mean.

    w = E(x) is moved by d, drawn, encoded, and moved back: mean ‖w − (E(G(w + d)) − d)‖², after the latent editing
    consistency of Tov et al. 2021 (e4e, section 5.1). d are two standard deviations of w along each of its first three
    principal directions, up and down; `round_trip` has no d. Without noise.

    Raises UnmeasurableError where E estimates z, from which no edit of w can be read back.
    """
    if alae.config.reciprocity == "z":
        raise UnmeasurableError("E estimates z here, and an edit of w cannot be read back from that")
    source, view = data.held_out, view or alae.view
    seen = [(alae.encode(x, view, labels=labels), labels) for x, labels in parts_seen(alae, source, view, most)]
    w = np.concatenate([part for part, _ in seen]).astype(np.float64)
    variances, directions = np.linalg.eigh(np.cov(w, rowvar=False).reshape(w.shape[1], -1))
    steps = directions.T[::-1][:DIRECTIONS] * DEVIATIONS * np.sqrt(np.maximum(variances[::-1][:DIRECTIONS], 0))[:, None]

    def error(move: np.ndarray) -> float:
        again = [
            alae.reencode((part + move).astype(part.dtype), view, noise="none", labels=labels) - move
            for part, labels in seen
        ]
        return float(np.square(w - np.concatenate(again)).sum(axis=1).mean() / w.var(axis=0).sum())

    edits = [error(sign * step) for step in steps for sign in (1, -1)]
    return {"round_trip": error(np.zeros(w.shape[1])), "edit_round_trip": float(np.mean(edits))}
