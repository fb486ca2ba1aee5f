#!/usr/bin/env bash
# What only a machine with an NVIDIA GPU can tell.
#
#     PYTHON=python3 benchmarks/gpu.sh [tests] [speed] [paper] [best]
#
# tests: those that need a GPU. speed: of the engine, of augmentation, of training and of prediction. With 16
# virtual cores and an H200 the tests take 45 to 100 s, engine 15 to 40, augmentation 20 or 30 and training 35 to 70,
# the more the fewer kernels of this machine were compiled before; prediction by one process took 35 s for half as many
# frames, twice. paper, best: these presets at full size (benchmarks/full_size.py), MINUTES (3) of training each, and
# 55 s more. Without a name: tests and speed. What fails does not keep the rest from being measured.
#
# The Python has this package's dependencies, CuPy and a torch with CUDA; it does without hdf5plugin and
# numpy-quaternion, and without isal it writes patterns four times slower. Records go to RECORDS
# (benchmarks/records): engine_gpu, augment_cuda, train_cuda, predict_cuda, predict_cuda_in_memory,
# full_size_paper and full_size_best; COMMIT is what they say of a copy without git's history. Weights go to
# FOLDER (full_size), in a folder of each preset.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
records=${RECORDS:-benchmarks/records}
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
failed=()

"$python" - <<'CHECK' || exit 1
import sys

import torch

from msft.backends import with_cupy

lacking = with_cupy.missing() or ("" if torch.cuda.is_available() else "torch finds no GPU")
if lacking:
    sys.exit(f"NO GPU, NOTHING IS MEASURED: {lacking}")
print(torch.cuda.get_device_name(), "torch", torch.__version__)
CHECK

run() {
    echo "== $*"
    local begin=$SECONDS
    "$@" || failed+=("$*")
    echo "== $((SECONDS - begin)) s"
}

tests() {
    # in the files where some are marked; collecting all others takes longer than running these
    local files beside=()
    mapfile -t files < <(grep -rlE 'mark\.gpu|on_a_gpu' tests --include='test_*.py')
    # most of the time goes to compiling, which each file does beside the others
    "$python" -c 'import xdist' 2>/dev/null && beside=(-n "${#files[@]}" --dist loadfile)
    run "$python" -m pytest -q -m gpu --durations 12 "${beside[@]}" "${files[@]}"
}

speed() {
    run "$python" benchmarks/engine.py --brief --patterns 16 --repeats 5 --out "$records/engine_gpu.json"
    run "$python" benchmarks/augment.py --device cuda --out "$records/augment_cuda.json"
    run "$python" benchmarks/train.py --device cuda --repeats 3 --out "$records/train_cuda.json"
    run "$python" benchmarks/predict.py invert/weights --frames 16384 --device cuda --jobs 4 8 \
        --out "$records/predict_cuda.json"
    # and with files in memory: what the disk costs
    TMPDIR=/dev/shm run "$python" benchmarks/predict.py invert/weights --frames 16384 --device cuda --jobs 4 8 \
        --out "$records/predict_cuda_in_memory.json"
}

full_size() {
    run "$python" benchmarks/full_size.py "$1" --minutes "${MINUTES:-3}" --folder "${FOLDER:-full_size}" \
        --out "$records"
}

for stage in "${@:-tests speed}"; do
    for one in $stage; do
        case $one in
            tests | speed) "$one" ;;
            paper | best) full_size "$one" ;;
            *) echo "stage: got $one; allowed: tests, speed, paper, best" >&2; exit 2 ;;
        esac
    done
done
if ((${#failed[@]})); then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
