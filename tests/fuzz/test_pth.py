"""Hostile torch.save files: archives, and sequences of pickles."""

import pickle
import zipfile

import pytest

from alae_workbench.exchange.official import read_models
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import PICKLE_SNIPPETS, damage_pickle, pick
from tests.helpers.torch_files import everything, read_all


def save_everything(torch, path, legacy):
    values = {**everything(), "models": {"E": {"w": torch.zeros(3, 3)}}}
    torch.save(values, path, _use_new_zipfile_serialization=not legacy)
    return path.read_bytes()


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_damaged_files(tmp_path, legacy):
    torch = pytest.importorskip("torch")
    content, path = save_everything(torch, tmp_path / "good", legacy), tmp_path / "file.pth"
    for number, random in cases():
        path.write_bytes(damage_pickle(random, content))
        attempt(lambda: read_all(path), path.stat().st_size, number)
        attempt(lambda: read_models(path), path.stat().st_size, number)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_hostile_pickles(tmp_path):
    path = tmp_path / "file.pth"
    for number, random in cases():
        with zipfile.ZipFile(
            path, "w", pick(random, [zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        ) as archive:
            archive.writestr(
                "a/data.pkl",
                b"\x80\x02" + b"".join(pick(random, PICKLE_SNIPPETS) for _ in range(3)) + pickle.dumps({}, 2),
            )
            for i in range(pick(random, [0, 3, 2000])):
                archive.writestr(f"a/data/{i}", b"")
        attempt(lambda: read_models(path), path.stat().st_size, number)
