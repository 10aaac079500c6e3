"""What the page says in words, tables and charts, from rows whose numbers are known."""

import re

import pytest

from isp_ns.compare.charts import Axis, Series, chart
from isp_ns.compare.page import page_html
from isp_ns.compare.protocol import protocol
from isp_ns.compare.results import Comparison, Row
from isp_ns.compare.run import Options
from isp_ns.compare.sections import charts_section, details, means_section
from isp_ns.compare.verdict import judge


def comparison(*, width_px=500, failed=()):
    """Two pipelines on two photographs at two sensitivities, a megapixel for every 2000 columns."""
    nodes = [
        {"node": "rgb", "stage": "demosaic.malvar", "ms": 30.0, "mb_made": 6.0},
        {"node": "encode", "stage": "encode.display", "ms": 10.0, "mb_made": 3.0},
    ]
    rows = [
        Row(
            case=case,
            scene=f"scene {case}",
            pipeline=name,
            status="failed" if (case, name) in failed else "done",
            iso=100.0 * 4**case,
            width_px=width_px,
            height_px=500,
            psnr_db=30.0 + case,
            delta_e_2000=2.0,
            render_ms=time_ms,
            nodes=nodes,
        )
        for case in range(2)
        for name, time_ms in (("a", 120.0), ("b", 340.0))
    ]
    return Comparison(("a", "b"), tuple(rows), protocol([], [], Options()), judge(rows, ("a", "b")))


def texts(markup):
    """The cells of each line of the tables, without tags."""
    lines = re.findall(r"<tr>(.*?)</tr>", markup)
    return [[re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", line)] for line in lines]


def test_nodes_are_told_in_milliseconds_by_photograph_and_by_megapixel_and_add_up():
    lines = texts(details(comparison()))
    assert ["rgb", "demosaic.malvar", "30.0", "120.0", "75%", "24.0"] in lines
    assert ["All nodes", "40.0", "160.0", "100%", "36.0"] in lines


def test_every_column_of_the_means_is_explained_in_words():
    markup = means_section(comparison())
    heads = re.findall(r'scope="col" title="([^"]+)"', markup)
    assert len(heads) >= 4
    for explanation in heads:
        assert f"<dd>{explanation}; " in markup
    assert "more is better" in markup
    assert "less is better" in markup


@pytest.mark.parametrize("section", [means_section, charts_section, details])
def test_domain_range_crop_balance_and_exposure_stand_beside_the_numbers(section):
    markup = section(comparison())
    for stated in ("sRGB-encoded", "range 0 to 1", "8 at each side", "white balance as shot", "exposure aligned"):
        assert stated in markup


def test_windows_are_told_where_pictures_are_too_large_to_be_measured_whole():
    assert "16 windows" not in means_section(comparison(width_px=500))
    assert "16 windows of 256×256" in means_section(comparison(width_px=4000))


def test_the_top_of_the_page_tells_how_many_photographs_all_pipelines_have():
    assert "on 2 photographs</p>" in page_html(comparison(), [])
    partly = page_html(comparison(failed={(1, "b")}), [])
    assert "on 2 photographs (1 of them by every pipeline)</p>" in partly


@pytest.mark.parametrize(("low", "high"), [(120.0, 340.0), (310.0, 330.0), (9.0, 4000.0), (250.0, 250.0)])
def test_a_logarithmic_axis_has_marks_on_its_range(low, high):
    series = [Series(name, i, ((value, 1.0 + i),)) for i, (name, value) in enumerate((("a", low), ("b", high)))]
    markup = chart("time", series, Axis("ms", logarithmic=True), Axis("PSNR"), lines=False)
    marks = [float(text) for text in re.findall(r'class="mark middle">([^<]+)<', markup)]
    assert 2 <= len(marks) <= 8
    assert marks == sorted(set(marks))
    assert all(low / 2 < mark < 2 * high for mark in marks)
