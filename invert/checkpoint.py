"""A model's file: weights as safetensors, with the configuration and the held-out errors inside."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from invert.model import Model, ModelConfiguration
from msft.configuration import from_mapping, to_mapping
from msft.errors import ParameterError

WEIGHTS = "weights.safetensors"
FORMAT = "msft-invert 2"


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
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        state = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in state.items()}
    metadata = {
        "format": FORMAT,
        "configuration": json.dumps(to_mapping(model.configuration)),
        "training": json.dumps(training if isinstance(training, dict) else to_mapping(training)),
        "errors": json.dumps(errors),
        "provenance": json.dumps(provenance or {}),
    }
    # written by Python, which says why if it fails
    (folder / WEIGHTS).write_bytes(serialise(state, metadata))


def load(path: Path) -> Checkpoint:
    """Read a model from its folder or weights file.

    Raises
    ------
    ParameterError
        If there are no weights, or they are not this toolkit's.
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
    if metadata.get("format") != FORMAT:
        raise ParameterError("model", weights, f"weights of the format {FORMAT}")
    try:
        errors, training, provenance = (
            json.loads(metadata[name]) for name in ("errors", "training", "provenance")
        )
        configuration = from_mapping(ModelConfiguration, json.loads(metadata["configuration"]), "model")
        model = Model(configuration)
        model.load_state_dict(state)
    except (KeyError, json.JSONDecodeError, RuntimeError):
        raise ParameterError("model", weights, "weights with the configuration that they fit") from None
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
    return Checkpoint(model.eval(), errors, digest, weights, training, provenance)
