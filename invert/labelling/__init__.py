"""Frames and their labels, as those of helium droplets: classifiers, on the backbones that inversion has.

- ``inputs``: frames as classifiers see them; ``labels``: frames with labels, from files;
- ``classifier``: which labels, input and network, and their file; ``classification_presets``: named
  configurations; ``classification``: training; ``scores``: how good predicted labels are;
- ``classify``: frames to labels; ``keep``: frames chosen by their labels; ``explain``: what in an image
  speaks for a label, drawn by ``label_figures``.
"""
