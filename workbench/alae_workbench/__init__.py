"""Everything around a model: data, training runs, measures, figures, editing, and exchange with other formats.

The names in `__init__.pyi` load on first use, so that importing this package does not import a framework.
"""

from alae_core._support.lazy import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__)
