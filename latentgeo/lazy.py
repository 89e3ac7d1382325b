"""xarray, loaded at its first use: it and pandas take a third of the time that torch takes."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr
else:

    class _Lazy(ModuleType):
        def __getattr__(self, name: str) -> Any:
            return getattr(import_module(self.__name__), name)

    xr = _Lazy("xarray")

__all__ = ["xr"]
