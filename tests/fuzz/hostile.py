"""Hostile texts, values, file names and pickles, and functions that damage texts and files with them."""

BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 20)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 20)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
TEXTS = [
    *("2001-99-99", "2001-01-01", "2001-01-01T99:99:99Z", "99:99:99", "1:99:99.9"),
    *(
        "9" * 5000,
        "-" + "9" * 400,
        "0x" + "f" * 5000,
        "0b" + "1" * 5000,
        "1e400",
        "1e-400",
        ".nan",
        "-.inf",
        "1_0",
        "0o17",
    ),
    *("[" * 3000, "{" * 200, "{a: " * 200, "- " * 3000, "[" * 18 + "]" * 18, "((("),
    *("!!int x", "!!float x", "!!bool x", "!!null x", "!!timestamp x", "!!binary x", "!!set {a, b}", "!!omap [a: 1]"),
    *("!!pairs [a: 1]", "!!merge x", "!!str [a]", "!!python/object/apply:os.system [false]", "!x y", "!<tag:x> y"),
    *("&a [*a]", "&a {a: *a}", "&a {<<: *a}", "*b", "<<: 3", "<<: [1]", BOMB, MERGED),
    *(
        "? [a, b]\n: c",
        "? {a: b}\n: c",
        "{1: 2, null: 3, true: 4, .nan: 5}",
        "'",
        '"',
        "|",
        ">",
        "%YAML 9.9",
        "---\n---",
        "...",
    ),
    *(
        "\0",
        "\x07\x1b[31m",
        "\x85\u2028",
        "\ufeff",
        "💥" * 300,
        "x" * 3000,
        "",
        " ",
        "\t- a",
        "#",
        ": :",
        "a.b.c",
        "=",
        "\\",
    ),
    *("null", "true", "-1", "0", "1e3", "3.5", "[]", "{}", "[[]]", "[1, x, null]", "{family: x}", "{family: [style]}"),
]
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3.5, 1e-300, 1e300, float("nan"), float("inf"), "", "x" * 3000, "two\nlines\0"),
    *(
        2**31,
        2**63 - 1,
        2**63,
        2**64,
        10**12,
        10**12 + 1,
        10**4000,
        -(10**4000),
        [],
        {},
        [[]],
        [1],
        [8, 8],
        [8, 8, 8, 8],
    ),
    *([1] * 500, [10**9, 10**9, 3], [2**20, 2**20, 1], {"family": "style"}, {"family": 3}, {"hidden": [10**9] * 99}),
    *("style", "mlp", "official", "bfloat16", {"x": {"y": {}}}, {1: 2}, [None], b"bytes", {"a"}, (1, 2), object()),
]
#: file names that a manifest must not hold
FILE_NAMES = ["../../x", "/dev/zero", "a\0b", "", ".", "state.safetensors/..", "manifest.json", "x" * 3000]
#: instructions with which a pickle grows, nests, calls, or refers to a value that it does not hold
PICKLE_SNIPPETS = [
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


def pick(random, choices):
    """Pick one of the choices. NumPy's `choice` would convert them to an array and cut texts at a NUL."""
    return choices[random.integers(len(choices))]


def mutate(random, text, fragments=TEXTS):
    """Make one to four changes to `text`: remove, double, move or replace lines or characters."""
    pieces = text.splitlines(keepends=True) if random.random() < 0.7 else list(text)
    for _ in range(random.integers(1, 5)):
        at = random.integers(len(pieces) + 1)
        match random.integers(5):
            case 0:
                pieces[at : at + random.integers(1, 4)] = []
            case 1:
                pieces[at:at] = pieces[at : at + 3]
            case 2:
                pieces[at:at] = [pick(random, fragments)]
            case 3 if at < len(pieces):
                key, colon, _ = pieces[at].partition(":")
                pieces[at] = f"{key}{colon} {pick(random, fragments)}\n"
            case _:
                random.shuffle(pieces[at : at + 5])
        pieces = pieces or [""]
    return "".join(pieces)


def nested_value(random):
    """Return a value inside up to 400 lists and mappings."""
    value = pick(random, [3, "x", None])
    for _ in range(random.integers(1, 400)):
        value = {"training": value} if random.random() < 0.5 else [value]
    return value


def damage_pickle(random, content):
    """Make one to four changes to the bytes of a file of pickles, some of them with instructions."""
    found = bytearray(content)
    for _ in range(random.integers(1, 5)):
        # The directory of an archive is at its end, a legacy file's structure at its start.
        low, high = pick(random, [(0, 3000), (0, len(found)), (max(0, len(found) - 1500), len(found))])
        at = int(random.integers(low, max(low + 1, min(high, len(found)))))
        match random.integers(4):
            case 0:
                found[at : at + 1] = random.bytes(1)
            case 1:
                found[at : at + 8] = pick(random, PICKLE_SNIPPETS)
            case 2:
                del found[at : at + int(random.integers(1, 64))]
            case _:
                found[at:at] = found[at : at + int(random.integers(1, 64))]
    return bytes(found)
