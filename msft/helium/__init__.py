"""Helium nanodroplets: the labels of Zimmermann et al. 2019.

- ``labels``: the eleven labels, how often each occurs, and which exclude each other.
"""
