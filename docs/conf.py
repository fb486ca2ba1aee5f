"""The reference of all public names, from their docstrings: `make docs`."""

import importlib.metadata
import re

project = "msft-invert"
release = importlib.metadata.version(project)
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
templates_path = ["_templates"]
html_theme_options = {"page_width": "75em", "sidebar_width": "18em"}

default_role = "py:obj"  # `name` in a docstring is that name's page, where there is one
suppress_warnings = ["ref.python"]  # some names, such as `shape`, are attributes of several classes
napoleon_use_ivar = True
napoleon_attr_annotations = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
# what only some machines have
autodoc_mock_imports = ["cupy", "cupyx", "distributed"]

ANY = "anything"
"""Stands for the type of what is returned, which the signature has."""


def setup(app):
    """Read docstrings as they are meant, before and after napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", _prose_of_returns, priority=400)
    app.connect("autodoc-process-docstring", _without_types_and_bars, priority=600)


def _prose_of_returns(app, what, name, obj, options, lines):
    """What is returned is told in prose, not by a type and a description below it."""
    if "Returns" not in lines:
        return
    first = lines.index("Returns") + 2
    after = (place - 1 for place in range(first, len(lines)) if re.fullmatch("-{3,}", lines[place]))
    last = next(after, len(lines))
    lines[first:last] = [ANY, *(f"    {line}" for line in lines[first:last])]


def _without_types_and_bars(app, what, name, obj, options, lines):
    """Bars are magnitudes, as in |A|^2, where reStructuredText would replace what is between them."""
    lines[:] = [line for line in lines if line != f":rtype: {ANY}"]
    literal = False
    for place, line in enumerate(lines):
        literal = literal and (not line or line.startswith(" "))
        if not literal:
            lines[place] = re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line)
        literal = literal or line.endswith("::")
