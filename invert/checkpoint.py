"""A model's file: weights as safetensors, with the configuration and the held-out errors inside.

`write` and `read` are for networks of any task, each with its own format; `save` and `load` for models.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import nn

from invert.model import Model, ModelConfiguration
from msft.configuration import from_mapping, to_mapping
from msft.errors import ParameterError
from msft.output import check_writable

WEIGHTS = "weights.safetensors"
FORMAT = "msft-invert 3"
KINDS = {
    "msft-invert": "weights that find particles, as `invert predict` takes them",
    "msft-invert classifier": "weights that find labels, as `invert classify` takes them",
}
"""What formats are for, by their names without the version."""


class Checkpoint(NamedTuple):
    """A model that was read back.

    Attributes
    ----------
    model
        On the CPU, in evaluation mode.
    errors
        The report on held-out patterns that training stored.
    digest
        First 16 hexadecimal digits of the weights file's SHA-256.
    path
        Of the weights file.
    training, provenance
        How it was trained, with what and by which command, as plain mappings.
    """

    model: Model
    errors: dict[str, Any]
    digest: str
    path: Path
    training: dict[str, Any]
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Weights:
    """What a weights file holds.

    Attributes
    ----------
    state
        Tensors by name.
    configuration
        Of the network, as it was stored.
    errors, digest, path, training, provenance
        As in `Checkpoint`.
    """

    state: dict[str, torch.Tensor]
    configuration: dict[str, Any]
    errors: dict[str, Any]
    training: dict[str, Any]
    provenance: dict[str, Any]
    digest: str
    path: Path

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Building a network of them; what does not fit becomes one line."""
        try:
            yield
        except RuntimeError:
            raise _unfit(self.path) from None


def save(
    folder: Path,
    model: Model,
    training: Any,
    errors: dict[str, Any],
    provenance: dict[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write the weights of a model into a folder.

    Parameters
    ----------
    folder
        Which exists.
    model
        With its configuration.
    training
        The configuration of the training (a dataclass, or its mapping), for the record.
    errors
        What was measured on held-out patterns.
    provenance
        Where the weights come from, for the record: the command, the data.
    half
        Store matrices and filters in half precision; reading makes single precision of them again.
    """
    write(folder, FORMAT, model, training, errors, provenance, half)


def load(path: Path) -> Checkpoint:
    """Read a model from its folder or weights file.

    Raises
    ------
    ParameterError
        If there are no weights, or they are not this toolkit's.
    """
    weights = read(path, FORMAT)
    with weights.fitting():
        model = Model(from_mapping(ModelConfiguration, weights.configuration, "model"))
        model.load_state_dict(weights.state)
    return Checkpoint(
        model.eval(), weights.errors, weights.digest, weights.path, weights.training, weights.provenance
    )


def write(
    folder: Path,
    format_name: str,
    network: nn.Module,
    training: Any,
    errors: dict[str, Any],
    provenance: dict[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write the weights of any network that has a `configuration`; see `save`."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    if half:
        state = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in state.items()}
    metadata = {
        "format": format_name,
        "configuration": json.dumps(to_mapping(network.configuration)),
        "training": json.dumps(training if isinstance(training, dict) else to_mapping(training)),
        "errors": json.dumps(errors),
        "provenance": json.dumps(provenance or {}),
    }
    # written by Python, which says why if it fails
    (folder / WEIGHTS).write_bytes(serialise(state, metadata))


def check_folder(out: Path, force: bool) -> None:
    """Refuse a folder for a model that is there, unless `force` may replace the model that it holds.

    Raises
    ------
    ParameterError
        If it is there and may not be replaced, or cannot be written.
    """
    check_writable(out, force, folder=True)
    if force and out.exists() and not (out / WEIGHTS).exists():
        raise ParameterError("out", out, "a new name, or a folder that `invert train` wrote")


def write_records(
    folder: Path,
    configuration: Any,
    training: Any,
    report: dict[str, Any],
    history: list[dict[str, float]],
    provenance: dict[str, Any],
) -> None:
    """Write what stands beside the weights: ``configuration.json``, ``report.json`` and ``curves.csv``."""
    resolved = {**provenance, "model": to_mapping(configuration), "training": to_mapping(training)}
    (folder / "configuration.json").write_text(json.dumps(resolved, indent=2) + "\n")
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    with (folder / "curves.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def read(path: Path, format_name: str) -> Weights:
    """Read the weights in a folder or file.

    Raises
    ------
    ParameterError
        If there are none, or they are of another format.
    """
    weights = path / WEIGHTS if path.is_dir() else path
    if not weights.is_file():
        raise ParameterError("model", path, f"a folder with {WEIGHTS}, as `invert train` writes it")
    try:
        with safe_open(str(weights), framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ParameterError("model", weights, f"readable safetensors ({error})") from None
    if (given := metadata.get("format", "none")) != format_name:
        is_for, wanted = (KINDS.get(name.rpartition(" ")[0]) for name in (given, format_name))
        if is_for is not None and is_for != wanted:
            raise ParameterError("model", f"{weights}, {is_for}", str(wanted))
        raise ParameterError(
            "model", f"{weights} of the format {given}", f"weights of the format {format_name}"
        )
    try:
        stored = {
            name: json.loads(metadata[name]) for name in ("configuration", "errors", "training", "provenance")
        }
    except (KeyError, json.JSONDecodeError):
        raise _unfit(weights) from None
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
    return Weights(state, **stored, digest=digest, path=weights)


def _unfit(weights: Path) -> ParameterError:
    return ParameterError("model", weights, "weights with the configuration that they fit")
