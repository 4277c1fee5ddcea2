"""Files of torch.save: hostile archives and hostile rows of pickles."""

import pickle
import zipfile

import pytest

from alae_workbench.exchange.official import read_models
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import pick
from tests.workbench.exchange.test_torch_files import everything, read_all

# Instructions with which a pickle grows, nests, calls, or refers to what is not there.
SNIPPETS = [
    *(b"2" * 50, b"h\x00" * 30, b"(" * 200, b"]" * 200, b"}" * 50, b"0" * 20, b"cos\nsystem\n", b"R", b"Q", b"b", b"."),
    *(
        b"r\xff\xff\xff\x7f",
        b"j\xff\xff\xff\x7f",
        b"X\xff\xff\xff\x7f",
        b"\x8d" + b"\xff" * 8,
        b"L" + b"9" * 5000 + b"L\n",
    ),
    *(b"\x8b\xff\xff\xff\x7f", b"\x95" + b"\xff" * 8, b"\0" * 8, b"\xff" * 8),
]


def saved(torch, path, legacy):
    everything_there = {**everything(), "models": {"E": {"w": torch.zeros(3, 3)}}}
    torch.save(everything_there, path, _use_new_zipfile_serialization=not legacy)
    return path.read_bytes()


def damaged(random, content):
    found = bytearray(content)
    for _ in range(random.integers(1, 5)):
        # The directory of an archive is at its end, a legacy file's structure at its start.
        low, high = pick(random, [(0, 3000), (0, len(found)), (max(0, len(found) - 1500), len(found))])
        at = int(random.integers(low, max(low + 1, min(high, len(found)))))
        match random.integers(4):
            case 0:
                found[at : at + 1] = random.bytes(1)
            case 1:
                found[at : at + 8] = pick(random, SNIPPETS)
            case 2:
                del found[at : at + int(random.integers(1, 64))]
            case _:
                found[at:at] = found[at : at + int(random.integers(1, 64))]
    return bytes(found)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_damaged_files(tmp_path, legacy):
    torch = pytest.importorskip("torch")
    content, path = saved(torch, tmp_path / "good", legacy), tmp_path / "file.pth"
    for number, random in cases():
        path.write_bytes(damaged(random, content))
        attempt(lambda: read_all(path), path.stat().st_size, number)
        attempt(lambda: read_models(path), path.stat().st_size, number)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_of_anything(tmp_path):
    path = tmp_path / "file.pth"
    for number, random in cases():
        with zipfile.ZipFile(
            path, "w", pick(random, [zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        ) as archive:
            archive.writestr(
                "a/data.pkl", b"\x80\x02" + b"".join(pick(random, SNIPPETS) for _ in range(3)) + pickle.dumps({}, 2)
            )
            for i in range(pick(random, [0, 3, 2000])):
                archive.writestr(f"a/data/{i}", b"")
        attempt(lambda: read_models(path), path.stat().st_size, number)
