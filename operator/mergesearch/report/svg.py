"""Makes a drawn SVG fit for a page: coloured by the page's style sheet, sized by its box, named for readers; pure.

A plot is drawn in placeholder colours. Here they become variables of the style sheet, so that one drawing is legible
on light and dark paper, and everything that a page has of its own (size, font, unique ids) is taken out or made
unique.
"""

import re
import xml.etree.ElementTree as ET

COLOURS = {
    "ink": "#010101",
    "muted": "#020202",
    "grid": "#030303",
    "candidate": "#040404",
    "best": "#050505",
    "baseline": "#060606",
    "winner": "#070707",
    "failed": "#080808",
    "paper": "#090909",
}
"""Placeholder of every variable of the style sheet."""

_REFERENCE = re.compile(r"(?P<before>url\(#|^#)(?P<id>[^)]+)")


def for_page(drawn: str, prefix: str, title: str, description: str) -> str:
    """The drawing as an element of an HTML page. `prefix` keeps its ids apart from those of the page's other drawings.

    Raises xml.etree.ElementTree.ParseError if `drawn` is no XML.
    """
    root = ET.fromstring(drawn)  # noqa: S314 -- our own drawing, never a user's file
    _drop_style_sheets(root)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(name): _mended(_local(name), value, prefix) for name, value in element.attrib.items()}
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {
        "xmlns": "http://www.w3.org/2000/svg",
        "role": "img",
        "class": prefix,
        "aria-labelledby": f"{prefix}-title",
        "aria-describedby": f"{prefix}-description",
    }
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(tag, {"id": f"{prefix}-{'title' if tag == 'title' else 'description'}"})
        element.text = text
        root.insert(place, element)
    return ET.tostring(root, encoding="unicode")


def _drop_style_sheets(root: ET.Element) -> None:
    """A style element inside the drawing would apply to the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("style", "metadata"):
                parent.remove(child)


def _local(name: str) -> str:
    return name.rsplit("}", 1)[-1]


def _mended(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name == "style":
        return _styled(value)
    return _REFERENCE.sub(rf"\g<before>{prefix}-\g<id>", value)


def _styled(style: str) -> str:
    for variable, colour in COLOURS.items():
        style = style.replace(colour, f"var(--{variable})")
    declarations = (declaration.strip() for declaration in style.split(";"))
    return "; ".join(one for one in declarations if one and not one.startswith("font-family"))
