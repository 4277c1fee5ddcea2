"""Requirements of some tests beyond a checkout: data too large for the repository, and optional packages.

The environment variable ALAE_TEST_DATA names a folder that holds `data/` (with `mnist` and `faces128`),
`official_parity/` and optionally `reports/`. If it is not set, a folder next to the checkout that holds the first two
is used. CONTRIBUTING.md describes the files.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


def find_test_data() -> Path:
    """Return the folder of test data, or a path that does not exist if none was found."""
    if "ALAE_TEST_DATA" in os.environ:
        return Path(os.environ["ALAE_TEST_DATA"])
    for folder in sorted(REPOSITORY.parent.iterdir()):
        if (folder / "data").is_dir() and (folder / "official_parity").is_dir():
            return folder
    return REPOSITORY / "absent"


_TEST_DATA = find_test_data()
MNIST = _TEST_DATA / "data" / "mnist"
FACES = _TEST_DATA / "data" / "faces128"
#: inputs from public reports of other tools: folders, archives and tables as people have them
REPORTS = _TEST_DATA / "reports"
#: the authors' checkpoint `style32.pth`, the same in PyTorch's old format, and the numbers recorded from it
OFFICIAL = _TEST_DATA / "official_parity"


def skip_without(path: Path) -> pytest.MarkDecorator:
    """Skip a test if a part of the test data is absent."""
    return pytest.mark.skipif(not path.is_dir(), reason="no test data: set ALAE_TEST_DATA (see CONTRIBUTING.md)")


needs_mnist, needs_faces, needs_official = skip_without(MNIST), skip_without(FACES), skip_without(OFFICIAL)
needs_reports = skip_without(REPORTS)
needs_face_weights = pytest.mark.skipif(
    find_spec("mtcnn") is None or find_spec("lz4") is None, reason="the extra [faces] is not installed"
)
