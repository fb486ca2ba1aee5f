#!/usr/bin/env bash
# What only a machine with an NVIDIA GPU can tell: the tests that need one, then speeds, as records.
#
#     PYTHON=python3 benchmarks/gpu.sh
#
# The Python has this package's dependencies, CuPy and a torch with CUDA. Records go to benchmarks/records:
# engine_gpu.json and .png, augment_cuda.json, train_cuda.json.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}

"$python" - <<'CHECK'
import sys

import torch

from msft.backends import with_cupy

lacking = with_cupy.missing() or ("" if torch.cuda.is_available() else "torch finds no GPU")
if lacking:
    sys.exit(f"NO GPU, NOTHING IS MEASURED: {lacking}")
print(torch.cuda.get_device_name(), "torch", torch.__version__)
CHECK
"$python" -m pytest -q -m gpu tests/msft/test_cupy.py tests/msft/test_chebyshev_gpu.py tests/msft/test_propagation_arrays.py tests/invert/test_examples.py tests/invert/test_train.py
"$python" benchmarks/engine.py --out benchmarks/records/engine_gpu.json
"$python" benchmarks/augment.py --device cuda
"$python" benchmarks/train.py --device cuda
