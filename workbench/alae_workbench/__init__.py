"""What a person does around a model: data, training runs, measures, pictures, editing, exchange with other formats.

Names load on first use, so that importing this never imports a framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alae_workbench.data.source import Arrays as Arrays
    from alae_workbench.data.source import DataError as DataError
    from alae_workbench.data.source import DataSet as DataSet
    from alae_workbench.data.source import Source as Source
    from alae_workbench.data.sources import load_data as load_data
    from alae_workbench.data.sources import load_images as load_images
    from alae_workbench.exchange.official import import_official as import_official
    from alae_workbench.experiment import Experiment as Experiment
    from alae_workbench.experiment import Training as Training
    from alae_workbench.experiment import load_experiment as load_experiment
    from alae_workbench.observers import Observer as Observer
    from alae_workbench.opening import open_model as open_model
    from alae_workbench.progress import Terminal as Terminal
    from alae_workbench.run import Summary as Summary
    from alae_workbench.sampling import sample as sample
    from alae_workbench.training import train as train

_HOME = {
    "Arrays": "data.source",
    "DataError": "data.source",
    "DataSet": "data.source",
    "Experiment": "experiment",
    "Observer": "observers",
    "Source": "data.source",
    "Summary": "run",
    "Terminal": "progress",
    "Training": "experiment",
    "import_official": "exchange.official",
    "load_data": "data.sources",
    "load_experiment": "experiment",
    "load_images": "data.sources",
    "open_model": "opening",
    "sample": "sampling",
    "train": "training",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'alae_workbench' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"alae_workbench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
