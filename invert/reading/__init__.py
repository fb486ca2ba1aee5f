"""Measured frames out of HDF5 files that others wrote; `invert.frames` is the way in.

- ``frames``: frames in memory, with what their file says about them;
- ``options``: what a user says of a file;
- ``source``: an open file, whose frames come in batches; ``stored``: those frames as the file holds them;
- ``places``: which of a file's arrays are the images; ``stack``: those arrays as one stack;
- ``instrument``: wavelength, pixels, distance, centre; ``sample``: the truth, if the file is a simulation;
- ``mask``: which pixels count; ``scale``: intensities or logarithms;
- ``doubts``: what looks wrong with the first frames; ``defects`` and ``unlit``: pixels that mislead;
- ``centring``: where the beam was, without a model; ``resample``: onto the pixels that a model knows;
- ``isolation``: a damaged file crashes another process than this one.
"""
