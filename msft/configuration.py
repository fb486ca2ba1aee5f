"""Configurations as frozen dataclasses, to and from the plain mappings of TOML and JSON."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from msft.errors import ParameterError

Configuration = TypeVar("Configuration")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    ParameterError
        If the file is missing or is not TOML.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ParameterError("config", path, f"a readable TOML file ({error.strerror})") from None
    except ValueError as error:  # not TOML, or not even text
        raise ParameterError("config", path, f"a TOML file ({error})") from None


def to_mapping(configuration: Any) -> dict[str, Any]:
    """A configuration as nested mappings; what tells union members apart (``geometry``) is kept."""
    mapping: dict[str, Any] = {}
    if hasattr(type(configuration), "geometry"):
        mapping["geometry"] = configuration.geometry
    for field in dataclasses.fields(configuration):
        value = getattr(configuration, field.name)
        mapping[field.name] = to_mapping(value) if dataclasses.is_dataclass(value) else value
    return mapping


def from_mapping(cls: type[Configuration], mapping: Mapping[str, Any], where: str = "") -> Configuration:
    """A configuration from nested mappings; what is not given keeps its default.

    Parameters
    ----------
    cls
        A frozen dataclass whose fields are numbers, strings, literals, tuples of them or such dataclasses.
    mapping
        Field names and values.
    where
        Name of the table, for messages; empty at the top.

    Raises
    ------
    ParameterError
        If a key is unknown, or a value has the wrong type or is outside its range.
    """
    if not isinstance(mapping, Mapping):
        raise ParameterError(where or "config", repr(mapping), "a table of fields")
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    values = {}
    prefix = f"{where}." if where else ""
    for key, value in mapping.items():
        if key == "geometry" and hasattr(cls, "geometry"):
            continue
        if key not in names:
            raise ParameterError(prefix + key, repr(value), "only the fields " + ", ".join(names))
        values[key] = _convert(hints[key], value, prefix + key)
    return cls(**values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    members = get_args(hint)
    if get_origin(hint) in (typing.Union, types.UnionType):
        return from_mapping(_by_geometry(members, value, where), value, where)
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast("type[Any]", hint), value, where)
    if get_origin(hint) is Literal:
        if value not in members:
            raise ParameterError(where, repr(value), "one of " + ", ".join(map(str, members)))
        return value
    if get_origin(hint) is tuple:
        open_ended = members[-1] is Ellipsis
        if not isinstance(value, list | tuple) or not (open_ended or len(value) == len(members)):
            raise ParameterError(where, repr(value), "a list" if open_ended else f"{len(members)} values")
        kinds = [members[0]] * len(value) if open_ended else members
        return tuple(_convert(kind, item, where) for kind, item in zip(kinds, value, strict=True))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ParameterError(where, repr(value), f"a value of type {hint.__name__}")
    return value


def _by_geometry(members: tuple[Any, ...], value: Any, where: str) -> type[Any]:
    by_name = {member.geometry: member for member in members}
    name = value.get("geometry", next(iter(by_name))) if isinstance(value, Mapping) else value
    if not isinstance(name, str) or name not in by_name:
        raise ParameterError(f"{where}.geometry", repr(name), "one of " + ", ".join(by_name))
    return typing.cast("type[Any]", by_name[name])
