"""What forward fitting makes of a network's estimates: errors before and after, by method and by radius.

    python benchmarks/refine.py MODEL [--tests 200] [--method-tests 40] [--patterns 200]

MODEL is a folder of `invert train`. Test patterns are new ones, clean and through the filter `experiment`,
whose invalid pixels are masked. The first table compares methods at the same number of patterns per frame:
Levenberg-Marquardt as `invert predict --refine` uses it, L-BFGS-B of scipy on forward differences of the
misfit, and Nelder-Mead from a few starts around the estimate. Writes a JSON.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from augment.files import named_filter
from augment.scaling import FLOOR_DECADES, log_scale
from invert import checkpoint
from invert.estimate import Estimates
from invert.fit import FLOORS, Starts, descend, MonteCarloSimplex
from invert.forward import CENTRE, ForwardModel
from invert.frames import Frames
from invert.metrics import Errors, errors
from invert.model import Model
from invert.polish import turned
from invert.predict import predict
from invert.refine import Refinement, locate_beam, refine
from msft.particle import ParticleDistribution, Particles

FloatArray = NDArray[np.float64]
Method = Callable[[ForwardModel, Estimates, int, int], tuple[float, FloatArray]]

TEST_SEED = 3
EDGES = np.linspace(30, 160, 6)
"""Of the classes of radii, in nm."""
