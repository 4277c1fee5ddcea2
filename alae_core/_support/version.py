"""The version of alae."""

from importlib.metadata import version

#: the version of the installed distribution, such as "0.1.0"
__version__ = version("alae")
