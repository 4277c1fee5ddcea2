"""The group `resumed` of a configuration: the position of a run when its batch sizes changed."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, Strict

from alae_core._support.validation import Frozen


class Resumed(Frozen):
    """The position from which a run continued with other batch sizes. New runs have none."""

    step: NonNegativeInt = Field(description="training steps done before")
    # Not strict, so that YAML lists become tuples, which are hashable.
    shown: Annotated[tuple[NonNegativeInt, ...], Strict(False)] = Field(
        description="real images shown before at each level; one number for networks without levels"
    )
