"""Where losses are written while they arise."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from msft.errors import ParameterError

LoggerName = Literal["none", "csv", "tensorboard"]


def logger_named(name: LoggerName, out: Path) -> Logger | None:
    """The logger of that name, which writes into the folder `out`.logs.

    Raises
    ------
    ParameterError
        If the name is unknown, or its package is not installed.
    """
    if name not in get_args(LoggerName):
        raise ParameterError("logger", name, "one of " + ", ".join(get_args(LoggerName)))
    folder = out.with_name(out.name + ".logs")
    if name == "none":
        return None
    if name == "csv":
        return CSVLogger(folder.parent, folder.name, version="")
    try:
        return TensorBoardLogger(folder.parent, folder.name, version="")
    except ModuleNotFoundError:
        raise ParameterError("logger", name, "csv, or `pip install msft-invert[tensorboard]`") from None
