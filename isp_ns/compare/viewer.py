"""The viewer's markup: what the script of the page brings to life."""

from collections.abc import Sequence

from isp_ns.compare.differences import MAP_TOP
from isp_ns.compare.gallery import Scene
from isp_ns.compare.results import Comparison
from isp_ns.io.markup import Html, tag

__all__ = ["KEYS", "viewer_section"]

ZOOMS = (100, 200, 400, 800)

KEYS = (
    ("+ and −", "zoom in and out"),
    ("1 … 8", "100 % … 800 %"),
    ("0", "fit the picture into the window"),
    ("arrow keys", "move the picture, or the divider when it has the focus; with shift, further"),
    ("n and p", "next and previous photograph"),
    ("l and r", "next pipeline on the left and on the right"),
    ("x", "swap left and right"),
    ("space, held", "show the right picture in place of the left"),
    ("s, g, d", "slider, all side by side, differences"),
    ("f", "whole screen"),
    ("?", "this list"),
)
"""Keys and what they do."""


def viewer_section(comparison: Comparison, scenes: Sequence[Scene]) -> Html | None:
    """The viewer, None where there are no pictures."""
    if not scenes:
        return None
    photographs = len({row.case for row in comparison.rows if row.status == "done"})
    some = f"The {len(scenes)} of {photographs} photographs in which the pipelines differ most."
    return tag(
        "section",
        tag("h2", "Pictures"),
        tag("p", some, class_="note") if len(scenes) < photographs else None,
        tag("noscript", tag("p", "The viewer needs JavaScript; the pictures are in the folder “pictures”.")),
        tag("div", _choices(scenes), _stage(), _zoom_bar(), id="viewer", class_="viewer js"),
        tag(
            "div", tag("h3", "Where they differ most"), tag("div", id="crops", class_="crops"), id="places", class_="js"
        ),
        tag("p", id="live", class_="unseen", role="status", aria_live="polite"),
        _dialog(),
        id="pictures",
    )


def _choices(scenes: Sequence[Scene]) -> Html:
    options = [tag("option", scene.title, value=i) for i, scene in enumerate(scenes)]
    photograph = tag(
        "div",
        _button("‹", "previous", "Previous photograph"),
        tag("label", tag("span", "Photograph", class_="unseen"), tag("select", options, id="scene")),
        _button("›", "next", "Next photograph"),
        class_="group photograph",
    )
    sides = tag(
        "div",
        tag("label", tag("span", "Left"), tag("select", id="left")),
        _button("⇄", "swap", "Swap left and right"),
        tag("label", tag("span", "Right"), tag("select", id="right")),
        class_="group sides",
        id="sides",
    )
    modes = tag(
        "div",
        [
            _button(text, f"mode-{mode}", None, aria_pressed="false", data_mode=mode)
            for mode, text in (("slider", "Slider"), ("grid", "Side by side"), ("map", "Differences"))
        ],
        class_="group segmented",
        role="group",
        aria_label="What is shown",
    )
    return tag("div", photograph, sides, modes, class_="bar")


def _stage() -> Html:
    divider = tag(
        "div",
        tag("span", "⇆", aria_hidden="true"),
        id="divider",
        class_="divider",
        role="slider",
        tabindex="0",
        aria_label="Divider between left and right picture",
        aria_orientation="horizontal",
        aria_valuemin="0",
        aria_valuemax="100",
        aria_valuenow="50",
    )
    hint = tag("p", "Click, then turn the wheel to zoom", id="hint", class_="hint", aria_hidden="true")
    return tag(
        "div",
        tag("div", id="panels", class_="panels"),
        divider,
        hint,
        id="stage",
        class_="stage",
        tabindex="0",
        role="group",
        aria_label="Picture viewer. Press question mark for the keys.",
    )


def _zoom_bar() -> Html:
    zooms = [
        _button("Fit", "zoom-fit", "Fit the picture into the window", data_zoom="0"),
        [_button(f"{zoom} %", f"zoom-{zoom}", None, data_zoom=zoom // 100) for zoom in ZOOMS],
    ]
    steps = [_button("−", "zoom-out", "Zoom out"), _button("+", "zoom-in", "Zoom in")]
    legend = tag(
        "div",
        tag("span", "ΔE 0"),
        tag("span", class_="ramp"),
        tag("span", f"{MAP_TOP:g} and more"),
        id="legend",
        class_="legend",
        hidden=True,
    )
    end = [_button(_corners(), "fullscreen", "Whole screen"), _button("?", "help", "Keys")]
    return tag(
        "div",
        tag("div", zooms, class_="group segmented", role="group", aria_label="Zoom"),
        tag("div", steps, tag("output", id="zoom-level"), class_="group"),
        legend,
        tag("p", id="facts", class_="facts"),
        tag("div", end, class_="group end"),
        class_="bar",
    )


def _corners() -> Html:
    """Four corners, the sign for the whole screen."""
    path = tag("path", d="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4")
    return tag("svg", path, viewBox="0 0 16 16", aria_hidden="true")


def _button(text: str, identifier: str, label: str | None, **more: object) -> Html:
    return tag("button", text, type="button", id=identifier, aria_label=label, title=label, **more)


def _dialog() -> Html:
    rows = [tag("tr", tag("th", tag("kbd", key), scope="row"), tag("td", action)) for key, action in KEYS]
    switch = tag(
        "label", tag("input", type="checkbox", id="shortcuts", checked=True), " Single keys work outside the viewer too"
    )
    return tag(
        "dialog",
        tag("h3", "Keys", id="keys-title"),
        tag("table", tag("tbody", rows)),
        tag("p", "Drag to move the picture or the divider; pinch, or turn the wheel, to zoom."),
        tag("p", switch),
        tag("form", tag("button", "Close"), method="dialog"),
        id="keys",
        aria_labelledby="keys-title",
    )
