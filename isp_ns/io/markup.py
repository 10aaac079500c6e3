"""HTML and SVG from Python values: all text is escaped, only `Html` is taken as it is."""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["BASE_SHEET", "Html", "join", "json_block", "page_document", "tag"]

BASE_SHEET = Path(__file__).parent / "assets" / "base.css"
"""Colours, light and dark, type and tables of all pages; the folder of a page gets a copy of it.

Source: package data.
"""

POLICY = "default-src 'none'; img-src 'self' file: data:; style-src 'self' file:"
"""Nothing from elsewhere is loaded, no style that is written into the page itself applies, and nothing runs.

Source: W3C Content Security Policy Level 3.
"""

SCRIPTED_POLICY = f"{POLICY}; script-src 'self' file:"
"""Scripts beside the page run as well, none that is written into it.

Source: W3C Content Security Policy Level 3.
"""

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


def page_document(title: str, body: Html, styles: Sequence[str], *, scripts: bool = False) -> str:
    """The whole text of a page that needs neither network nor server.

    Args:
        title: of the window, as text.
        body: the body element.
        styles: places of the style sheets relative to the page, the copy of `BASE_SHEET` first.
        scripts: whether scripts beside the page may run.

    Source: HTML Living Standard; W3C Content Security Policy Level 3.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=SCRIPTED_POLICY if scripts else POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        [tag("link", rel="stylesheet", href=style) for style in styles],
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


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
