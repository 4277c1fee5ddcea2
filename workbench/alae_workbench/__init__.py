"""What a person does around a model: data, training runs, measures, pictures, editing, exchange with other formats.

Names load on first use, so that importing this never imports a framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alae_workbench.data.load import load_data as load_data
    from alae_workbench.data.load import load_images as load_images
    from alae_workbench.data.memory import Arrays as Arrays
    from alae_workbench.data.source import DataError as DataError
    from alae_workbench.data.source import DataSet as DataSet
    from alae_workbench.data.source import Source as Source
    from alae_workbench.exchange.official import import_official as import_official
    from alae_workbench.models.opening import open_model as open_model
    from alae_workbench.models.sampling import sample as sample
    from alae_workbench.runs.observers import Observer as Observer
    from alae_workbench.runs.progress import Terminal as Terminal
    from alae_workbench.runs.settings import Experiment as Experiment
    from alae_workbench.runs.settings import Training as Training
    from alae_workbench.runs.settings import load_experiment as load_experiment
    from alae_workbench.runs.train import train as train
    from alae_workbench.storage.directory import Summary as Summary

_HOME = {
    "Arrays": "data.memory",
    "DataError": "data.source",
    "DataSet": "data.source",
    "Experiment": "runs.settings",
    "Observer": "runs.observers",
    "Source": "data.source",
    "Summary": "storage.directory",
    "Terminal": "runs.progress",
    "Training": "runs.settings",
    "import_official": "exchange.official",
    "load_data": "data.load",
    "load_experiment": "runs.settings",
    "load_images": "data.load",
    "open_model": "models.opening",
    "sample": "models.sampling",
    "train": "runs.train",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'alae_workbench' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"alae_workbench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
