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


TAGS = ("geometry", "kind")
"""Class attributes that tell the members of a union of dataclasses apart: detectors, distributions."""


def _tags(cls: Any) -> list[str]:
    fields = {field.name for field in dataclasses.fields(cls)}
    return [tag for tag in TAGS if hasattr(cls, tag) and tag not in fields]


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
    except (ValueError, RecursionError) as error:  # not TOML, not even text, or lists in lists without end
        raise ParameterError("config", path, f"a TOML file ({error})") from None


def to_mapping(configuration: Any) -> dict[str, Any]:
    """A configuration as nested mappings; what tells union members apart (`TAGS`) is kept."""
    mapping: dict[str, Any] = {tag: getattr(configuration, tag) for tag in _tags(type(configuration))}
    for field in dataclasses.fields(configuration):
        value = getattr(configuration, field.name)
        mapping[field.name] = to_mapping(value) if dataclasses.is_dataclass(value) else value
    return mapping


def from_mapping(
    cls: type[Configuration], mapping: Mapping[str, Any], where: str = "", beside: tuple[str, ...] = ()
) -> Configuration:
    """A configuration from nested mappings; what is not given keeps its default.

    Parameters
    ----------
    cls
        A frozen dataclass whose fields are numbers, strings, literals, tuples or tables of them, or such
        dataclasses.
    mapping
        Field names and values.
    where
        Name of the table, for messages; empty at the top.
    beside
        Names that are known, too, but were taken out of the mapping, for messages.

    Raises
    ------
    ParameterError
        If a key is unknown or missing, or a value has the wrong type or is outside its range.
    """
    if not isinstance(mapping, Mapping):
        raise ParameterError(where or "config", repr(mapping), "a table of fields")
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    values = {}
    prefix = f"{where}." if where else ""
    for key, value in mapping.items():
        if key in _tags(cls):
            continue
        if key not in names:
            raise ParameterError(prefix + key, repr(value), "only the fields " + ", ".join([*beside, *names]))
        values[key] = _convert(hints[key], value, prefix + key)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise ParameterError(prefix + field.name, "nothing", "a value: it has no default")
    return cls(**values)


def from_union(union: Any, mapping: Any, where: str) -> Any:
    """A configuration of one of several classes, which a tag of `TAGS` tells apart; else of the first.

    Parameters
    ----------
    union
        ``One | Other``, of frozen dataclasses as `from_mapping` takes them.
    mapping, where
        As for `from_mapping`.

    Raises
    ------
    ParameterError
        See `from_mapping`; or if the tag is unknown.
    """
    return from_mapping(_member(get_args(union), mapping, where), mapping, where)


def _convert(hint: Any, value: Any, where: str) -> Any:
    members = get_args(hint)
    if get_origin(hint) in (typing.Union, types.UnionType):
        member = _member(members, value, where)
        try:
            return _convert(member, value, where)
        except ParameterError as error:
            # "sigma" says nothing without what is distributed so
            if hasattr(member, "kind") and not error.field.startswith(where):
                raise ParameterError(f"{where}.{error.field}", error.value, error.allowed) from None
            raise
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
    if get_origin(hint) is dict:
        if not isinstance(value, Mapping):
            raise ParameterError(where, repr(value), "a table")
        return {key: _convert(members[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:  # the integers of TOML have any number of digits
            raise ParameterError(
                where, "a whole number of hundreds of digits", "a number below 1e308"
            ) from None
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ParameterError(where, repr(value), f"a value of type {hint.__name__}")
    return value


def _member(members: tuple[Any, ...], value: Any, where: str) -> Any:
    """The member of a union that a value is meant for."""
    if not all(dataclasses.is_dataclass(member) for member in members):
        wanted = dict if isinstance(value, Mapping) else type(value)
        for member in members:
            if (get_origin(member) or member) is wanted:
                return member
        names = " or ".join("a table" if get_origin(member) else member.__name__ for member in members)
        raise ParameterError(where, repr(value), names)
    tag = _tags(members[0])[0]
    by_name = {getattr(member, tag): member for member in members}
    name = value.get(tag, next(iter(by_name))) if isinstance(value, Mapping) else value
    if not isinstance(name, str) or name not in by_name:
        raise ParameterError(f"{where}.{tag}", repr(name), "one of " + ", ".join(by_name))
    return by_name[name]


def difference(one: Any, other: Any, name: str = "") -> tuple[str, Any, Any]:
    """The first place where two plain values differ: its dotted name, and what stands there in each.

    Parameters
    ----------
    one, other
        Plain values, mappings of them, mappings of those: as `to_mapping` makes them; not the same.
    name
        What both are.
    """
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return name, one, other
    key = next(key for key in (*one, *other) if key not in one or key not in other or one[key] != other[key])
    return difference(one.get(key), other.get(key), f"{name}.{key}" if name else str(key))
