"""The page in a real browser, by real events: slider, zoom, keys, modes, themes, a phone."""

import time

import pytest
from blurred import pipelines, scenes
from webdriver import browser

from isp_ns.compare import compare
from isp_ns.core.errors import DecodeError
from isp_ns.data.synth import synthesise

EVIL = "<img src=x onerror=alert(1)>"
SPACE, LEFT, RIGHT, HOME, TAB = "\ue00d", "\ue012", "\ue014", "\ue011", "\ue004"


@pytest.fixture(scope="module")
def chromium():
    with browser() as page:
        yield page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page of two scenes, one with a name that would be markup, and a pipeline with such a name."""
    folder = tmp_path_factory.mktemp("page")
    scenes(folder / "in", 2)
    raws = folder / "raw"
    raws.mkdir()
    synthesise(folder / "in" / "scene0.png", raws / f"{EVIL}.dng", iso=400)
    synthesise(folder / "in" / "scene1.png", raws / "b & 'c' </script>.dng".replace("/", "∕"), iso=400)
    (raws / "broken`|.dng").write_bytes(b"II*\0" + bytes(200))
    sharp, blurred = pipelines().values()
    compare(raws, {"sharp": sharp, "blurred": blurred, '"><script>alert(2)</script>': sharp}, folder / "page")
    return folder / "page"


@pytest.fixture
def page(chromium, folder):
    chromium.resize(1280, 900)
    chromium.complaints()
    chromium.open(folder / "index.html")
    chromium.run("document.getElementById('viewer').scrollIntoView()")
    yield chromium
    assert chromium.complaints() == []


def divider(page):
    return float(page.run("return document.getElementById('divider').getAttribute('aria-valuenow')"))


def transforms(page):
    return page.run("return [...document.querySelectorAll('.panel img')].map((image) => image.style.transform)")


def zoom(page):
    return page.text("#zoom-level")


def settled(read, wanted, seconds=20.0):
    """Whether `read()` comes to `wanted` within a moment."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if read() == wanted:
            return True
        time.sleep(0.05)
    return False


def test_names_are_text_never_markup(page, folder):
    assert page.run("return document.querySelectorAll('img[src=\"x\"], img[onerror]').length") == 0
    assert page.run("return document.scripts.length") == 2
    options = page.run("return [...document.querySelectorAll('#scene option')].map((each) => each.textContent)")
    assert options[0] == f"{EVIL} · ISO 400"
    names = page.run("return [...document.querySelectorAll('#left option')].map((each) => each.textContent)")
    assert '"><script>alert(2)</script>' in names
    with pytest.raises(AssertionError, match="no such alert"):
        page.call("GET", "/alert/text")
    markdown = (folder / "results.md").read_text(encoding="utf-8")
    assert "<img" not in markdown.replace("\\<", "")
    assert "<script" not in markdown.replace("\\<", "")


def test_the_divider_follows_the_mouse_and_its_keys(page):
    assert divider(page) == 50
    page.drag("#divider", 160, 0)
    width = page.run("return document.getElementById('stage').clientWidth")
    assert divider(page) == pytest.approx(50 + 100 * 160 / width, abs=1.5)
    before = divider(page)
    page.keys(RIGHT, RIGHT, RIGHT)
    assert divider(page) == before + 3
    page.keys(HOME)
    assert divider(page) == 0
    assert page.run("return document.activeElement.id") == "divider"
    assert "blurred" in page.run("return document.activeElement.getAttribute('aria-valuetext')")


def test_the_wheel_zooms_once_the_picture_has_the_focus(page):
    fitted = zoom(page)
    scrolled = page.run("return scrollY")
    page.wheel("#stage", -240)
    assert zoom(page) == fitted
    page.run("document.getElementById('stage').focus(); scrollTo(0, arguments[0])", scrolled)
    page.wheel("#stage", -240)
    assert settled(lambda: zoom(page) != fitted, True)
    assert float(zoom(page).split()[0]) > float(fitted.split()[0])
    for _ in range(20):
        page.wheel("#stage", -240)
    assert settled(lambda: zoom(page), "800 %")


def test_digits_and_signs_zoom_and_the_buttons_show_it(page):
    page.keys("4")
    assert zoom(page) == "400 %"
    assert page.run("return document.getElementById('zoom-400').getAttribute('aria-pressed')") == "true"
    page.keys("+")
    assert zoom(page) == "600 %"
    page.keys("-", "-")
    assert zoom(page) == "300 %"
    page.click("#zoom-800")
    assert zoom(page) == "800 %"
    scale = page.run("return new DOMMatrix(document.querySelector('.panel img').style.transform).a * devicePixelRatio")
    assert scale == pytest.approx(8.0)
    page.keys("0")
    assert page.run("return document.getElementById('zoom-fit').getAttribute('aria-pressed')") == "true"
    assert settled(lambda: "%" in page.text("#live"), True)


def test_dragging_moves_all_pictures_together(page):
    page.click("#mode-grid")
    page.click("#zoom-800")
    before = transforms(page)
    assert len(before) == 3
    assert len(set(before)) == 1
    page.drag("#stage", 80, 40)
    after = transforms(page)
    assert len(set(after)) == 1
    move = page.run(
        "const [a, b] = [...arguments].map((each) => new DOMMatrix(each)); return [b.e - a.e, b.f - a.f]",
        before[0],
        after[0],
    )
    assert move == pytest.approx([80, 40], abs=1)


def test_arrows_move_the_picture_when_the_stage_has_the_focus(page):
    page.run("document.getElementById('stage').focus()")
    page.keys("8")
    before = transforms(page)[0]
    page.keys(LEFT)
    assert transforms(page)[0] != before


def test_modes_sides_and_photographs_change_by_key(page):
    page.keys("d")
    assert page.run("return document.querySelectorAll('.panel').length") == 3
    assert page.run("return document.getElementById('legend').hidden") is False
    page.keys("s", "r")
    assert page.run("return document.getElementById('right').value") == '"><script>alert(2)</script>'
    page.keys("x")
    assert page.run("return document.getElementById('left').value") == '"><script>alert(2)</script>'
    page.keys("n")
    assert page.run("return document.getElementById('scene').value") == "1"
    page.keys("n")
    assert page.run("return document.getElementById('scene').value") == "0"
    assert settled(lambda: "photograph 1 of 2" in page.text("#live"), True)


def test_numbers_and_mean_differences_stand_by_what_is_shown(page):
    assert page.text("#facts").count("Exposure") == 2
    page.keys("g")
    assert page.text("#facts").count("Exposure") == 3
    page.keys("d")
    labels = page.run("return [...document.querySelectorAll('.panel .tag')].map((each) => each.textContent)")
    assert labels[0].startswith("blurred against sharp, mean ΔE ")
    assert float(labels[0].split()[-1]) > 0
    assert labels[1].endswith("against sharp, mean ΔE 0.0")
    assert labels[2].startswith("spread of the pipelines")


def test_a_photograph_that_one_pipeline_rendered_says_so(chromium, tmp_path):
    class Broken:
        name, settings = "broken", ""

        def check(self):
            pass

        def render(self, path):
            raise DecodeError("on purpose")

    synthesise(scenes(tmp_path / "in", 1) / "scene0.png", tmp_path / "a.dng", iso=400)
    found = compare(tmp_path / "a.dng", {"sharp": pipelines()["sharp"], "broken": Broken()}, tmp_path / "page")
    chromium.open(found.folder / "index.html")
    assert "No other pipeline" in chromium.text("#facts")
    chromium.keys("d")
    assert "Only sharp rendered this photograph" in chromium.text("#panels")
    assert chromium.run("return document.getElementById('places').hidden") is True
    assert chromium.complaints() == []


def test_space_held_shows_the_right_picture(page):
    page.run("document.getElementById('stage').focus()")
    down = [{"type": "keyDown", "value": SPACE}]
    page.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": down}]})
    clip = "return document.querySelector('.panel:last-child').style.clipPath"
    assert "100%" in page.run(clip)
    page.call("DELETE", "/actions")
    assert "50%" in page.run(clip)


def test_the_help_opens_closes_and_can_turn_single_keys_off(page):
    page.keys("?")
    assert page.run("return document.getElementById('keys').open") is True
    assert page.run("return document.activeElement.textContent") == "Close"
    page.click("#shortcuts")
    page.click("#keys form button")
    assert page.run("return document.getElementById('keys').open") is False
    page.run("document.activeElement.blur()")
    before = zoom(page)
    page.keys("4")
    assert zoom(page) == before
    page.run("document.getElementById('stage').focus()")
    page.keys("4")
    assert zoom(page) == "400 %"


def test_a_crop_takes_the_viewer_to_its_place(page):
    page.run("document.getElementById('crops').scrollIntoView()")
    page.click("#crops button")
    assert zoom(page) == "400 %"
    assert page.run("return document.activeElement.id") == "stage"


def test_all_pictures_load_and_have_a_text(page):
    page.click("#mode-grid")
    missing = (
        "return [...document.querySelectorAll('.panel img')].filter((i) => !(i.complete && i.naturalWidth)).length"
    )
    assert settled(lambda: page.run(missing), 0)
    texts = page.run("return [...document.querySelectorAll('.panel img')].map((image) => image.alt)")
    assert all(texts)


def test_tab_goes_through_the_page_in_the_order_it_is_seen(page):
    page.run("document.activeElement.blur(); scrollTo(0, 0)")
    seen = []
    for _ in range(40):
        page.keys(TAB)
        seen.append(page.run("return document.activeElement.id"))
    wanted = ["theme", "previous", "scene", "next", "left", "swap", "right", "mode-slider", "mode-grid", "mode-map"]
    wanted += ["stage", "divider", "zoom-fit", "zoom-100", "zoom-800", "zoom-out", "zoom-in", "fullscreen", "help"]
    start = seen.index("theme")
    order = [name for name in seen[start:] + seen[:start] if name in wanted]
    assert order[: len(wanted)] == wanted


def test_every_control_has_a_name_and_every_table_a_caption(page):
    nameless = """
        const named = (e) => e.getAttribute('aria-label') || e.textContent.trim() || (e.labels && e.labels.length);
        return [...document.querySelectorAll('button, select, input, [tabindex="0"]')].filter((e) => !named(e)).length
    """
    assert page.run(nameless) == 0
    assert page.run("return [...document.querySelectorAll('main table')].filter((t) => !t.caption && !t.closest('dialog')).length") == 0  # noqa: E501  # fmt: skip
    assert page.run("return [...document.querySelectorAll('svg[role=img]')].every((e) => e.querySelector('title'))")


def test_the_theme_follows_the_system_and_the_button(page):
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = page.run(paper)
    page.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    dark = page.run(paper)
    assert dark != light
    page.run("scrollTo(0, 0)")
    page.click("#theme")
    assert page.run(paper) == light
    page.devtools("Emulation.setEmulatedMedia", features=[])


def test_a_phone_shows_all_of_it_and_fingers_work(page):
    page.devtools("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=3, mobile=True)
    page.devtools("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        page.call("POST", "/refresh")
        assert page.run("return document.documentElement.scrollWidth") == 390
        page.run("document.getElementById('stage').scrollIntoView({block: 'center'})")
        page.drag("#divider", -100, 0, kind="touch")
        assert divider(page) == pytest.approx(50 - 100 * 100 / 390, abs=3)
        fitted = float(zoom(page).split()[0])
        pinch(page)
        assert float(zoom(page).split()[0]) > 1.5 * fitted
    finally:
        page.devtools("Emulation.setTouchEmulationEnabled", enabled=False)
        page.devtools("Emulation.clearDeviceMetricsOverride")


def pinch(page):
    """Two fingers move apart over the stage."""
    stage = page.find("#stage")

    def finger(number, side):
        return {
            "type": "pointer",
            "id": f"finger{number}",
            "parameters": {"pointerType": "touch"},
            "actions": [
                {"type": "pointerMove", "origin": stage, "x": side * 20, "y": 60, "duration": 0},
                {"type": "pointerDown", "button": 0},
                {"type": "pointerMove", "origin": stage, "x": side * 60, "y": 60, "duration": 100},
                {"type": "pointerMove", "origin": stage, "x": side * 90, "y": 60, "duration": 100},
                {"type": "pointerUp", "button": 0},
            ],
        }

    page.call("POST", "/actions", {"actions": [finger(1, -1), finger(2, 1)]})


def test_without_a_script_the_numbers_are_still_there(chromium, folder):
    chromium.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(folder / "index.html")
        assert "sharpest" in chromium.text("section.verdict")
        assert "sharp" in chromium.text("#numbers table")
        assert "JavaScript" in chromium.text("noscript")
    finally:
        chromium.devtools("Emulation.setScriptExecutionDisabled", value=False)
