"""The peer of `engine.py`: pyMSFT's MSFTSimulation, in a Python of its own.

Run by `engine.py --pymsft PYTHON`. Reads a NumPy file of n - 1 on the grid of voxels and saves the image
beside it, then for each line on standard input simulates once and prints the seconds it took.
"""

import sys
import time

import numpy as np
from pyMSFT.simulation.simulation import MSFTSimulation

if __name__ == "__main__":
    path, box_size, padded, wavelength = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    voxels = np.load(path)
    simulation = MSFTSimulation(
        npix_fft=padded, npix_real=voxels.shape[0], box_size=box_size, wavelength=wavelength
    )
    image = simulation.get_diffraction_image(voxels)
    np.save(path.replace(".npy", ".image.npy"), image * np.real(simulation.K_Z) / simulation.k_0)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        simulation.get_diffraction_image(voxels)
        print(time.perf_counter() - start, flush=True)
