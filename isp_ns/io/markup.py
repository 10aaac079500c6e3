"""HTML and SVG from Python values: all text is escaped, only `Html` is taken as it is."""

import html
import json
from typing import Any

__all__ = ["Html", "join", "json_block", "tag"]

VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Html(str):
    """A piece of markup that is safe to put into a page."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """An element.

    Args:
        name: of the element.
        children: `Html` as it is, anything else as escaped text; None and False are left out.
        attributes: values are escaped; True gives the bare name, None and False leave it out. A trailing underscore is
            dropped and other underscores become hyphens: `class_`, `aria_label`.
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: Any) -> Html:
    """Children of an element one after another; see `tag`."""
    return Html("".join(_child(child) for child in children))


def json_block(identifier: str, value: Any) -> Html:
    """A script element that holds data, which no text inside can end or open.

    Source: HTML Living Standard, restrictions for the contents of script elements.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return tag("script", Html(text), type="application/json", id=identifier)


def _child(child: Any) -> str:
    if child is None or child is False:
        return ""
    if isinstance(child, list | tuple):
        return join(*child)
    return child if isinstance(child, Html) else html.escape(str(child))


def _attribute(key: str, value: Any) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
