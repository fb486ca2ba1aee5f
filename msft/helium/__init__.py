"""Helium nanodroplets: labelled images as in Zimmermann et al. 2019.

- ``labels``: the eleven labels, how often each occurs, and which exclude each other;
- ``scenes``: what is in the beam, and how often;
- ``droplets``: random droplets of these scenes, in place of a `ParticleDistribution`;
- ``rules``: from a droplet to its labels;
- ``index``: the refractive index of liquid helium; ``light``: photon energies, and the index of each;
- ``images``: labelled images from HDF5: the released ones, and those of `msft generate`.
"""

from pathlib import Path

PRESET = Path(__file__).with_name("helium.toml")
"""The configuration of `msft generate --preset helium`."""
