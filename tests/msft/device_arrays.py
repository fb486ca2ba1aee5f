"""A stand-in for a GPU's arrays, on the host, that refuses what would carry them there unasked."""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import scipy.fft

from msft.backends.arrays import Arrays


class DeviceArray:
    """Values that only `Device` can read; what CuPy refuses or waits for is refused."""

    __array_ufunc__ = None

    def __init__(self, values: Any) -> None:
        self._values = values

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("an array of the device was read on the host")

    __array__ = __bool__ = __float__ = __int__ = __complex__ = __index__ = __iter__ = _refuse

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, key: Any) -> DeviceArray:
        return DeviceArray(self._values[_values_of(key)])

    def __setitem__(self, key: Any, values: Any) -> None:
        self._values[_values_of(key)] = _values_of(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # such as __array_interface__
            raise AttributeError(name)
        found = getattr(self._values, name)
        return _wrapped(found) if callable(found) or isinstance(found, np.ndarray) else found


def _add_operator(name: str) -> None:
    plain = getattr(operator, name)
    setattr(DeviceArray, f"__{name}__", lambda a, b: _arrays_of(plain(a._values, _values_of(b))))
    setattr(DeviceArray, f"__r{name}__", lambda a, b: _arrays_of(plain(_values_of(b), a._values)))

    def in_place(a: DeviceArray, b: Any) -> DeviceArray:
        a._values = getattr(operator, f"i{name}")(a._values, _values_of(b))
        return a

    setattr(DeviceArray, f"__i{name}__", in_place)


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul"):
    _add_operator(_name)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(
        DeviceArray,
        f"__{_name}__",
        lambda a, b, compare=getattr(operator, _name): _arrays_of(compare(a._values, _values_of(b))),
    )
for _name in ("neg", "abs"):
    setattr(
        DeviceArray, f"__{_name}__", lambda a, plain=getattr(operator, _name): _arrays_of(plain(a._values))
    )


def _values_of(given: Any) -> Any:
    """What a device's function gets: no array of the host may be among its arguments."""
    if isinstance(given, DeviceArray):
        return given._values
    if isinstance(given, tuple | list):
        return type(given)(_values_of(one) for one in given)
    if isinstance(given, np.ndarray):
        raise TypeError("an array of the host was given to the device")
    return given


def _arrays_of(found: Any) -> Any:
    return DeviceArray(found) if isinstance(found, np.ndarray | np.generic) else found


def _wrapped(found: Any) -> Any:
    if not callable(found):
        return _arrays_of(found)

    def call(*arguments: Any, **named: Any) -> Any:
        return _arrays_of(found(*_values_of(arguments), **{k: _values_of(v) for k, v in named.items()}))

    return call


class Namespace:
    """A module whose functions take and give `DeviceArray`, and which remembers how they were called."""

    def __init__(self, module: ModuleType, path: str, calls: list[tuple[str, int, tuple[str, ...]]]) -> None:
        self._module, self._path, self._calls = module, path, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if isinstance(found, ModuleType):
            return Namespace(found, f"{self._path}.{name}", self._calls)
        call: Callable[..., Any] = _wrapped(found)

        def recorded(*arguments: Any, **named: Any) -> Any:
            self._calls.append((f"{self._path}.{name}", len(arguments), tuple(named)))
            return call(*arguments, **named)

        return recorded


class Device:
    """The stand-in's back end, with what was carried to it and back, and which functions were called.

    Attributes
    ----------
    arrays
        For the solvers.
    uploads, downloads
        Shapes of the arrays that came from the host, and of those that went back.
    calls
        CuPy's name of each function, with the number of its positional arguments and the names of others.
    """

    def __init__(self, batch_bytes: int = 10**8) -> None:
        self.uploads: list[tuple[int, ...]] = []
        self.downloads: list[tuple[int, ...]] = []
        self.calls: list[tuple[str, int, tuple[str, ...]]] = []
        xp: Any = Namespace(np, "cupy", self.calls)
        xp.asarray = self._upload
        fft: Any = Namespace(scipy.fft, "cupyx.scipy.fft", self.calls)
        self.arrays = Arrays(xp, fft, self._download, batch_bytes)

    def _upload(self, values: Any) -> DeviceArray:
        self.uploads.append(values.shape)
        return DeviceArray(np.array(values))

    def _download(self, array: DeviceArray) -> Any:
        self.downloads.append(array.shape)
        return array._values.copy()
