"""Files of weights as the package mtcnn ships them: hostile frames and pickles."""

import pytest

from alae_workbench.faces.mtcnn_weights import read_weights, weights_file
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import damage_pickle
from tests.helpers.requirements import needs_face_weights


@needs_face_weights
@pytest.mark.parametrize("packed", [False, True], ids=["pickles", "frames"])
def test_damaged_weights(tmp_path, packed):
    import lz4.frame

    good, path = weights_file("pnet").read_bytes(), tmp_path / "pnet.lz4"
    content = lz4.frame.decompress(good)
    for number, random in cases():
        path.write_bytes(damage_pickle(random, good) if packed else lz4.frame.compress(damage_pickle(random, content)))
        attempt(lambda: read_weights(path), path.stat().st_size, number)
