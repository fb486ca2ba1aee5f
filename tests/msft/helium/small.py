"""A helium set small enough for tests."""

from msft.detector import FlatDetector
from msft.helium.droplets import Droplets
from msft.helium.light import HeliumLight
from msft.helium.scenes import SCENES
from msft.optics import Optics
from msft.pattern import Simulation

DROPLETS = Droplets((60.0, 120.0), scenes=dict.fromkeys(SCENES, 1.0))
"""Every scene as often as any other."""

LIGHT = HeliumLight()

SIMULATION = Simulation(
    Optics(wavelength=45.0, absorption="refractive", delta=0.01, beta=0.05),
    FlatDetector(pixels=32, pixel_size=2.3455, distance=65.0),
    solver="chebyshev",
    accuracy=1e-2,
)
