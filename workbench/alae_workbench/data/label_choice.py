"""The choice of labels: the one place that decides where the labels of a data source come from.

For pictures in a folder or an archive, the first of these that labels every training image is used:

1. the file, or the folders, that the user has chosen (`--labels`, `training.labels_from`);
2. `dataset.json` as StyleGAN writes it; `null` means that there are no labels;
3. `metadata.csv` or `metadata.jsonl` of the Hugging Face Hub, in one or several folders;
4. `KEY.cls`, or the class in `KEY.json`, beside `KEY.jpg` as in WebDataset;
5. a table (.csv, .tsv, .txt, .json) with a row for each image, in a folder above them; of several the one that fits;
6. class folders.

For arrays and columns, `choose_name` chooses by name. Labels that cannot be used are an error only if the user has
chosen them; otherwise the result gives the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alae_core._support.text import short_repr, suggest
from alae_workbench.data.label_columns import find_class_title
from alae_workbench.data.label_doubts import find_unread_annotations
from alae_workbench.data.label_ways import FOLDERS, NONE, LabelledPictures, LabelWays
from alae_workbench.data.labels import Labels
from alae_workbench.data.listing import Listing
from alae_workbench.data.source import DataError
from alae_workbench.data.splits import find_layout

#: beginning of the paths of tables in the parent folder of a data source
UP = "../"


@dataclass(frozen=True, eq=False)
class ChosenLabels:
    """The labels of pictures, their splits, and the files that the labels were read from.

    Attributes:
        labels: for all pictures; held-out pictures may be `UNLABELLED`.
        held_out: for each picture whether it is held out; empty if there are no splits.
        files: the label files.
    """

    labels: Labels
    held_out: Sequence[bool]
    files: frozenset[str] = frozenset()


def choose_labels(listing: Listing, choice: str | None = None) -> ChosenLabels:
    """Choose the labels of pictures: see the order above.

    Args:
        listing: the files of the source.
        choice: the user's: a file of the source, `folders` or `none`; None for the order above.

    Raises DataError if the user's choice cannot be used.
    """
    prefix = 1 if listing.containers else 0
    inner = [name.split("/", prefix)[prefix] for name in listing.names] if prefix else listing.names
    layout = find_layout(inner, listing.containers)
    found = _choose(LabelWays(listing, layout, inner), choice)
    return ChosenLabels(found.labels, layout.held_out, found.files)


def _choose(ways: LabelWays, choice: str | None) -> LabelledPictures:
    if choice == NONE:
        return LabelledPictures(Labels(notes=("as requested",)))
    if choice == FOLDERS:
        return ways.require(ways.label_by_folder(), choice)
    if choice is not None:
        return ways.label_by_choice(choice)
    order = (
        ways.label_by_dataset_json,
        ways.label_by_metadata,
        ways.label_by_key,
        ways.label_by_tables,
    )
    for label in order:
        found = label()
        if found:
            return found
    # Files that were passed over for a file of labels do not matter; for class folders they may.
    ways.notes += find_unread_annotations(ways.listing)
    found = ways.label_by_folder() or LabelledPictures(Labels())
    return replace(found, labels=replace(found.labels, notes=(*found.labels.notes, *ways.notes)))


def choose_name(names: Sequence[str], choice: str | None = None, what: str = "column") -> str | None:
    """Choose the array or column of classes by its name; None if no name fits.

    Args:
        names: the names of arrays or columns.
        choice: the user's, or None.
        what: an array or a column, in messages.

    Raises DataError if there is no array or column of the user's choice.
    """
    if choice is not None and choice not in (NONE, FOLDERS):
        if choice not in names:
            raise DataError(
                f"there is no {what} {short_repr(choice)} for the labels; there are "
                f"{', '.join(map(short_repr, names)) or 'none'}{suggest(choice, names)}"
            )
        return choice
    if choice == NONE:
        return None
    return find_class_title(names)
