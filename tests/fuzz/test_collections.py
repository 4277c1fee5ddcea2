"""Collections of pictures: images with hostile tables of labels, TFRecords, LMDB, Parquet and Arrow."""

import csv
import io
import json
import tarfile
from struct import pack

import numpy as np
import pytest
from PIL import Image

from alae_workbench.data.options import SourceOptions
from alae_workbench.data.resolve import open_source
from alae_workbench.data.survey import survey
from alae_workbench.runs.proposal import propose
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import TEXTS, pick
from tests.fuzz.pictures import COLOUR, damage, picture_file, reader_of
from tests.helpers.tfrecords import example, field, image_example, masked_crc, record, varint

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)


def inspect_data(path, size, number):
    """Read and inspect the data at `path`, and propose a configuration for it."""
    attempt(reader_of(path, COLOUR), size, number)
    attempt(lambda: propose(survey(str(path))), size, number)


def table(random):
    content = io.StringIO()
    writer = csv.writer(content, quoting=pick(random, [csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    columns = int(random.integers(0, 4))
    cells = ["1", "0", "-1", "2.5", "cat", "", " ", "nan", "1e99", "9" * 30, "a,b", 'a"b', "a\nb", "['a', 'b']", *TEXTS]
    likely = 4 if random.random() < 0.6 else len(cells)
    writer.writerow([pick(random, ["file", "image_id", "x", "0.png"]), *"abc"[:columns]])
    for name in ("0.png", "a/1", "2.png", "3", *([pick(random, TEXTS)] if random.random() < 0.3 else [])):
        writer.writerow([name, *(pick(random, cells[:likely]) for _ in range(columns))])
    return content.getvalue().encode("utf-8", "surrogatepass")


def write_images(folder):
    for name in ("0.png", "a/1.png", "2.png", "3.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(IMAGES[0]).save(folder / name)


def inspect_table(folder, name, content, number):
    """Read images with a table of labels, which is also chosen explicitly."""
    (folder / name).write_bytes(content)
    inspect_data(folder, len(content), number)
    attempt(lambda: open_source(str(folder), SourceOptions(labels=name)), len(content), number)
    (folder / name).unlink()


def test_tables(tmp_path):
    write_images(tmp_path)
    for number, random in cases():
        content = table(random)
        if random.random() < 0.3:
            content = content.decode("utf-8", "replace").encode(
                pick(random, ["utf-16", "utf-16-le", "cp1252"]), "replace"
            )
        if random.random() < 0.3:
            content = content.replace(b",", pick(random, [b";", b"\t", b"|", b" "]))
        if random.random() < 0.2:
            content = pick(random, [b"4\n", b"# 4\n#\n", b"\n\n", b"\0", b"\xff\xfe", b"\xfe\xff"]) + content
        name = pick(random, ["labels.csv", "labels.tsv", "list_attr.txt", "metadata.csv"])
        inspect_table(tmp_path, name, damage(random, content), number)


VALUES = [0, 1, 2, -1, 1.5, 10**400, "cat", "", None, True, [1, 0], [], [[1]], {"a": 1}, "x" * 10**4, float("nan")]


def test_json_tables(tmp_path):
    """Files of StyleGAN, of the Hub, and beside each picture."""
    write_images(tmp_path)
    names = ["0.png", "a/1.png", "2.png", "3.png"]
    for number, random in cases():
        some = VALUES[: 3 if random.random() < 0.5 else len(VALUES)]
        pairs = [[pick(random, names) if random.random() < 0.3 else name, pick(random, some)] for name in names]
        rows = [{"file_name": name, pick(random, ["label", "text", "0"]): pick(random, some)} for name in names]
        documents = [
            {"labels": pairs},
            pairs,
            dict(map(tuple, pairs)),
            rows,
            {"labels": None},
            {"labels": 3},
            {"images": rows, "annotations": rows},
            [],
            [1],
            "x",
        ]
        match random.integers(4):
            case 0:
                content = json.dumps(pick(random, documents)).encode()
                name = pick(random, ["dataset.json", "labels.json", "classes.json"])
                inspect_table(tmp_path, name, damage(random, content), number)
            case 1:
                content = "\n".join(map(json.dumps, rows)).encode()
                inspect_table(tmp_path, "metadata.jsonl", damage(random, content), number)
            case 2:
                content = pick(random, [b"[" * 10**5, b'{"labels":' * 10**4, b'{"a":1}' * 10**4, b"1e99999", b"\xff"])
                name = pick(random, ["dataset.json", "metadata.jsonl", "classes.json"])
                inspect_table(tmp_path, name, content, number)
            case _:
                for row, name in zip(rows, names, strict=True):
                    beside = (tmp_path / name).with_suffix(pick(random, [".json", ".cls", ".json"]))
                    beside.write_bytes(
                        damage(random, pick(random, [json.dumps(row).encode(), b"1", b"", b"\xff" * 200]))
                    )
                inspect_data(tmp_path, 10**4, number)
                for ending in ("json", "cls"):
                    for beside in tmp_path.rglob(f"*.{ending}"):
                        beside.unlink()


def test_shards(tmp_path):
    for number, random in cases():
        for shard in range(random.integers(1, 4)):
            content = io.BytesIO()
            with tarfile.open(fileobj=content, mode="w") as archive:
                for key in range(random.integers(0, 3)):
                    members = {"png": picture_file(random), pick(random, ["cls", "json", "txt"]): random.bytes(3)}
                    for ending, member in members.items():
                        info = tarfile.TarInfo(f"{pick(random, ['', 'a/', '../', 'train/'])}{key}.{ending}")
                        info.size = len(member)
                        archive.addfile(info, io.BytesIO(member))
            name = f"{pick(random, ['train', 'val', 'x', ''])}-{shard}.tar"
            (tmp_path / name).write_bytes(damage(random, content.getvalue()))
        inspect_data(tmp_path, 10**5, number)
        for path in tmp_path.iterdir():
            path.unlink()


def whole_numbers(random):
    return tuple(pick(random, [0, 1, 3, 8, 8, 2**31, 2**63, 2**64 - 1]) for _ in range(random.integers(0, 5)))


def hostile_record(random):
    image = IMAGES[random.integers(len(IMAGES))]
    label = pick(random, [{}, {"label": (1,)}, {"label": b"cat"}, {"label": ()}])
    content = image_example(image, **label)
    match random.integers(6):
        case 0:
            content = example(random.random() < 0.5, data=random.bytes(192), shape=whole_numbers(random))
        case 1:
            content = image_example(image, label=whole_numbers(random))
        case 2:
            content = damage(random, content)
        case 3:
            content = field(1, field(int(random.integers(4)), varint(int(random.integers(2**62))) * 50))
    found = record(content)
    if random.random() < 0.1:
        length = pack("<Q", int(random.integers(2**63)))
        found = length + masked_crc(length) + found[12:]
    return found


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_records(tmp_path):
    for number, random in cases():
        path = tmp_path / "x-r03.tfrecords"
        path.write_bytes(damage(random, b"".join(hostile_record(random) for _ in range(random.integers(0, 5)))))
        beside = tmp_path / "x-rxx.labels"
        beside.unlink(missing_ok=True)
        if random.random() < 0.2:
            content = io.BytesIO()
            np.save(content, pick(random, [np.arange(2), np.eye(2), np.array("x"), np.full((2, 2), np.nan)]))
            beside.write_bytes(damage(random, content.getvalue()))
        inspect_data(tmp_path, path.stat().st_size, number)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_lmdb(tmp_path):
    lmdb = pytest.importorskip("lmdb", reason="lmdb is not here to write a data base")
    whole = []
    for count in (3, 200):
        with lmdb.open(str(tmp_path), map_size=2**22, sync=False) as base, base.begin(write=True) as change:
            for key in range(count):
                change.put(b"%040d" % key, picture_file(np.random.default_rng(key)))
        whole.append((tmp_path / "data.mdb").read_bytes())
    for number, random in cases():
        content = bytearray(pick(random, whole))
        for _ in range(random.integers(5)):
            # Among the headers of pages, where all references are.
            at = int(random.integers(len(content) // 4096)) * 4096 + int(random.integers(160))
            content[at : at + 2] = pick(random, [random.bytes(2), b"\xff\xff", b"\0\0", b"\1\0", b"\2\0"])
        (tmp_path / "data.mdb").write_bytes(damage(random, bytes(content)))
        inspect_data(tmp_path, len(content), number)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*unique:FutureWarning")
def test_parquet_and_arrow(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not here to write a table")
    pq = pytest.importorskip("pyarrow.parquet")
    for number, random in cases():
        cells = [{"bytes": picture_file(random), "path": pick(random, TEXTS[:5])} for _ in range(random.integers(0, 5))]
        labels = [pick(random, pick(random, [[0, 1], [0, None, 2**62]])) for _ in cells]
        columns = {
            "image": cells,
            pick(random, ["label", "labels", "y"]): pick(
                random, [labels, [str(label) for label in labels], [b"x"] * len(labels)]
            ),
        }
        said = pick(random, ["", "{", "[" * 10**5, "[]", '{"info": {"features": {"image": {"_type": "Image"}}}}'])
        found = pa.table(columns).replace_schema_metadata({"huggingface": said})
        content = io.BytesIO()
        ending = pick(random, ["parquet", "arrow"])
        if ending == "parquet":
            pq.write_table(found, content, row_group_size=2, compression=pick(random, ["NONE", "SNAPPY", "ZSTD"]))
        else:
            with pa.ipc.new_stream(content, found.schema) as writer:
                writer.write_table(found, max_chunksize=2)
        path = tmp_path / f"{number}.{ending}"
        path.write_bytes(damage(random, content.getvalue()))
        inspect_data(path, path.stat().st_size, number)
        path.unlink()
