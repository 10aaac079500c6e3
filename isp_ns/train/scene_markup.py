"""The markup of a page of test scenes; see `isp_ns.train.scene_page`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isp_ns.io.maps import DEPTH_COLOURS, Colour
from isp_ns.io.markup import Html, page_document, tag
from isp_ns.train.scene_pictures import HATCH_GREYS

__all__ = ["ClassShare", "Figure", "Scene", "page_html"]

_SCORES = {
    "rel": ("abs rel", "{:.3f}"),
    "rmse_m": ("RMSE", "{:.3f} m"),
    "aerr_m": ("mean error", "{:.3f} m"),
    "delta1": ("δ < 1.25", "{:.1%}"),
    "delta2": ("δ < 1.25²", "{:.1%}"),
    "delta3": ("δ < 1.25³", "{:.1%}"),
    "miou": ("mean IoU", "{:.1%}"),
    "pixel_accuracy": ("pixel accuracy", "{:.1%}"),
}
_SCENE_SCORES = ("rel", "rmse_m", "delta1", "pixel_accuracy")

_BAR_WIDTH, _BAR_MARGIN, _BAR_MARKS = 400, 4, 5


@dataclass(frozen=True)
class Figure:
    """A picture of a scene.

    Attributes:
        title: what it shows.
        note: how it was made.
        file: its place, relative to the page.
        size_px: height and width.
    """

    title: str
    note: str
    file: str
    size_px: tuple[int, int]


@dataclass(frozen=True)
class ClassShare:
    """A class in a scene.

    Attributes:
        name: of the class.
        colour: 8-bit sRGB.
        found: share of the pixels.
        true: share of the pixels whose class is known.
    """

    name: str
    colour: Colour
    found: float
    true: float


@dataclass(frozen=True)
class Scene:
    """A row of the page.

    Attributes:
        name: of the picture in the dataset.
        figures: its pictures, from left to right.
        numbers: its scores, by the names of the overall ones.
        scale: nearest and farthest metres of the colours of depth; None without depth.
        classes: that occur; none without labels.
        has_unknown: whether pixels of a truth are unknown, and hatched.
    """

    name: str
    figures: tuple[Figure, ...]
    numbers: Mapping[str, float]
    scale: tuple[float, float] | None
    classes: tuple[ClassShare, ...]
    has_unknown: bool


def page_html(result: Mapping[str, Any], scenes: Sequence[Scene], styles: Sequence[str]) -> str:
    """The whole document.

    Args:
        result: scores with their protocol, as `isp_ns.train.perception_evaluate` gives them.
        scenes: the rows.
        styles: names of the style sheets beside the page.

    Source: HTML Living Standard.
    """
    protocol = result["protocol"]
    title = f"Test scenes of {protocol['dataset']} by {protocol['weights']}"
    body = tag(
        "body",
        tag("header", tag("h1", title), tag("p", _taken(protocol, len(scenes)), class_="sub")),
        tag("main", _overall(result), [_scene(number, scene) for number, scene in enumerate(scenes, 1)]),
        tag("footer", tag("p", "Made by isp_ns. Numbers of a scene are of its own pixels, those above of all.")),
    )
    return page_document(title, body, styles)


def _taken(protocol: Mapping[str, Any], shown: int) -> str:
    iso = f"ISO {protocol['iso']:g}" if protocol["iso"] else "no noise"
    return (
        f"Dataset {protocol['dataset']}, split {protocol['split']} · camera {protocol['camera']} (simulated), {iso} · "
        f"weights {protocol['weights']} · {protocol['images']} of {protocol['images_of_split']} pictures scored, "
        f"{shown} shown"
    )


def _overall(result: Mapping[str, Any]) -> list[Html]:
    """Scores over all pictures, those of classes, and how they were taken."""
    parts = [tag("dl", _score_list(result, _SCORES), class_="scores", aria_label="Scores over all scored pictures")]
    if "iou" in result:
        texts = {name: "–" if value is None else f"{value:.1%}" for name, value in result["iou"].items()}
        parts.append(_folded("IoU by class", texts))
    return [*parts, _folded("Protocol", result["protocol"])]


def _score_list(scores: Mapping[str, Any], names: Sequence[str] | Mapping[str, Any]) -> list[Html]:
    shown = [(name, *_SCORES[name]) for name in names if name in scores]
    return [tag("div", tag("dt", title), tag("dd", form.format(scores[name]))) for name, title, form in shown]


def _folded(title: str, values: Mapping[str, Any]) -> Html:
    pairs = [(tag("dt", name.replace("_", " ")), tag("dd", _text(value))) for name, value in values.items()]
    return tag("details", tag("summary", title), tag("dl", pairs, class_="list"))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {each}" for name, each in value.items())
    return str(value)


def _scene(number: int, scene: Scene) -> Html:
    numbers = _score_list(scene.numbers, _SCENE_SCORES)
    label = f"Pictures of scene {number}"
    return tag(
        "article",
        tag(
            "header",
            tag("h2", f"{number} · {scene.name}"),
            tag("dl", numbers, class_="numbers") if numbers else tag("p", "no truth", class_="sub"),
        ),
        tag(
            "div", [_figure(f, scene) for f in scene.figures], class_="row", role="region", tabindex=0, aria_label=label
        ),
        tag("div", _bar(number, scene), _classes(scene), class_="keys"),
        class_="scene",
    )


def _figure(figure: Figure, scene: Scene) -> Html:
    height, width = figure.size_px
    image = tag(
        "img", src=figure.file, width=width, height=height, loading="lazy", alt=f"{figure.title} of {scene.name}"
    )
    return tag("figure", tag("a", image, href=figure.file), tag("figcaption", figure.title, tag("span", figure.note)))


def _bar(number: int, scene: Scene) -> Html | None:
    """The colours of depth, with metres below that are evenly spaced in their logarithm."""
    if scene.scale is None:
        return None
    near, far = scene.scale
    steps = len(DEPTH_COLOURS) - 1
    stops = [
        tag("stop", offset=f"{place / steps:.3f}", stop_color=_hex(colour))
        for place, colour in enumerate(reversed(DEPTH_COLOURS))
    ]
    width = _BAR_WIDTH - 2 * _BAR_MARGIN
    marks = [
        tag("text", f"{near * (far / near) ** (place / (_BAR_MARKS - 1)):.3g} m", **_mark(place, width))
        for place in range(_BAR_MARKS)
    ]
    return tag(
        "svg",
        tag("linearGradient", stops, id=f"depth{number}"),
        tag("rect", x=_BAR_MARGIN, y=2, width=width, height=14, rx=3, fill=f"url(#depth{number})"),
        marks,
        viewBox=f"0 0 {_BAR_WIDTH} 34",
        class_="bar",
        role="img",
        aria_label=f"Depth in colours, from {near:.3g} m, yellow, to {far:.3g} m, dark blue",
    )


def _mark(place: int, width: int) -> dict[str, Any]:
    side = {0: "start", _BAR_MARKS - 1: "end"}.get(place, "middle")
    return {"x": f"{_BAR_MARGIN + width * place / (_BAR_MARKS - 1):.1f}", "y": 31, "class_": side}


def _classes(scene: Scene) -> Html:
    has_truth = any(figure.title == "True labels" for figure in scene.figures)
    entries = [
        tag("li", _key(share.colour), share.name, tag("small", _share_text(share, has_truth)))
        for share in scene.classes
    ]
    if scene.has_unknown:
        entries.append(tag("li", _hatch_key(), "no truth: unknown in the dataset, not scored"))
    return tag("ul", entries, class_="classes", aria_label="Legend")


def _share_text(share: ClassShare, has_truth: bool) -> str:
    return f"{share.found:.0%}" + f", true {share.true:.0%}" * has_truth


def _key(colour: Colour) -> Html:
    patch = tag("rect", width=16, height=16, fill=_hex(colour))
    return tag("svg", patch, viewBox="0 0 16 16", class_="key", aria_hidden="true")


def _hatch_key() -> Html:
    dark, light = (_hex((grey, grey, grey)) for grey in HATCH_GREYS)
    back = tag("rect", width=16, height=16, fill=dark)
    lines = tag("path", d="M0 8 8 0M0 16 16 0M8 16 16 8", stroke=light, stroke_width=3)
    return tag("svg", back, lines, viewBox="0 0 16 16", class_="key", aria_hidden="true")


def _hex(colour: Colour) -> str:
    return "#" + bytes(colour).hex()
