"""The face networks: their outputs for tiles equal those for the whole image."""

import numpy as np
from PIL import Image

from alae_workbench.faces.mtcnn import PNET, load_network
from alae_workbench.faces.mtcnn_weights import load_weights
from tests.helpers.requirements import needs_face_weights
from tests.tolerances import FLOAT32


@needs_face_weights
def test_tiles_cover_an_image_once_and_give_equal_outputs(backend):
    from keras import ops

    from alae_workbench.faces.detector import _cut_tiles

    level = Image.fromarray(np.random.default_rng(0).integers(0, 256, (150, 290, 3), np.uint8))
    tiles, origins, _ = _cut_tiles([level])
    answers, _ = load_network(PNET)(tiles)
    weights = [ops.convert_to_tensor(array) for array in load_weights("pnet", list(PNET.weight_shapes()))]
    pixels = ops.convert_to_tensor(((np.asarray(level) - np.float32(127.5)) / 128)[None])
    whole = ops.convert_to_numpy(PNET.apply(weights, pixels)[0])[0]
    covered = np.zeros(whole.shape[:2], int)
    for answer, (x, y) in zip(answers, origins // 2, strict=True):
        part = whole[y : y + len(answer), x : x + answer.shape[1]]
        np.testing.assert_allclose(answer[: len(part), : part.shape[1]], part, **FLOAT32)
        covered[y : y + len(answer), x : x + answer.shape[1]] += 1
    assert (covered == 1).all()
