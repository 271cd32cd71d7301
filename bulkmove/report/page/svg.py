"""A figure as SVG that stands in a page: in the page's colours and its font, with names that no other figure has."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from bulkmove.report.page.markup import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
# Drawn in these, a figure gets the page's colours, by day and by night: each stands for a CSS variable of style.css.
COLOURS = {
    "ink": "#0a0001",
    "faint": "#0a0002",
    "line": "#0a0003",
    "c1": "#0a0011",
    "c2": "#0a0012",
    "c3": "#0a0013",
    "c4": "#0a0014",
    "c5": "#0a0015",
    "c6": "#0a0016",
    "bad": "#0a0021",
    "rest": "#0a0022",
    "paper": "#0a0023",
}
_VARIABLES = {colour: f"var(--{name})" for name, colour in COLOURS.items()}
_COLOUR = re.compile("|".join(_VARIABLES))
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)px")


def inline(figure: Figure, *, name: str, label: str) -> Markup:
    """`name` begins the ids of this figure; `label` is what it says to those who can't see it."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    ET.register_namespace("", _SVG)
    root = ET.fromstring(text.getvalue())  # noqa: S314  written by matplotlib a line above
    for parent in root.iter():
        for child in list(parent):
            if child.tag.endswith(("metadata", "title")):
                parent.remove(child)
    used = _used(root)
    for element in root.iter():
        _adapt(element, used, name)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.set("role", "img")
    root.set("aria-label", label)
    root.set("focusable", "false")
    return Markup(ET.tostring(root, encoding="unicode", short_empty_elements=True))


def _used(root: ET.Element) -> set[str]:
    """The ids that something points to."""
    used: set[str] = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            used.update(_REFERENCE.findall(value))
            if key == _LINK:
                used.add(value.removeprefix("#"))
    return used


def _adapt(element: ET.Element, used: set[str], name: str) -> None:
    element.tag = element.tag.rpartition("}")[2]  # HTML knows SVG's elements by their names alone
    if element.tag == "style":
        element.text = None  # it would hold for the whole page; what it says stands in style.css
    for key, value in list(element.attrib.items()):
        if key == "id":
            if value in used:
                element.set(key, f"{name}-{value}")
            else:
                del element.attrib[key]
        elif key == _LINK:
            del element.attrib[key]
            element.set("href", f"#{name}-{value.removeprefix('#')}")
        else:
            said = _COLOUR.sub(lambda found: _VARIABLES[found[0]], value)
            said = _REFERENCE.sub(lambda found: f"url(#{name}-{found[1]})", said)
            element.set(key, _without_font(said) if key == "style" else said)


def _without_font(style: str) -> str:
    """The page's font, in the figure's size."""
    kept = []
    for part in style.split(";"):
        key, _, value = part.strip().partition(":")
        if key == "font" and (size := _SIZE.search(value)) is not None:
            kept.append(f"font-size: {size[0]}")
        elif key and key not in {"font-family", "font"}:
            kept.append(f"{key}:{value}")
    return "; ".join(kept)
