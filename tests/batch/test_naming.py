"""Templates of names, and names that do not collide."""

from datetime import datetime
from pathlib import Path, PurePath

import pytest

from isp_ns.batch.naming import Template, distinct, shot_time, with_output
from isp_ns.core.errors import SettingsError

VALUES = {
    "stem": "IMG_1",
    "ext": "jpg",
    "src_ext": "dng",
    "relpath": PurePath("day1"),
    "seq": 7,
    "date": datetime(2024, 5, 6, 7, 8, 9),
    "camera": "EOS 6D/II",
    "iso": 100.0,
    "graph": "classic",
}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{stem}.{ext}", "day1/IMG_1.jpg"),
        ("{relpath}/x/{stem}.{ext}", "day1/x/IMG_1.jpg"),
        ("{date:%Y}/{seq:04d}_{stem}.{ext}", "day1/2024/0007_IMG_1.jpg"),
        ("{date}_{camera}_{iso}.{ext}", "day1/20240506-070809_EOS 6D_II_100.jpg"),
        ("{stem}_{lens}.{ext}", "day1/IMG_1_unknown.jpg"),
    ],
)
def test_templates(text, name):
    assert str(Template.parse(text).render(VALUES)) == name


def test_a_missing_date_is_unknown_whatever_its_format():
    assert str(Template.parse("{date:%Y}/{stem}.{ext}").render({**VALUES, "date": None})) == "day1/unknown/IMG_1.jpg"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{stm}.{ext}", "no key stm"),
        ("{stem}", "must end in"),
        ("../{stem}.{ext}", "leads out"),
        ("/abs/{stem}.{ext}", "leads out"),
        ("{stem:>9}.{ext}", "only seq and date"),
        ("{stem.{ext}", "name template"),
        ("{seq:zz}.{ext}", "name template"),
    ],
)
def test_wrong_templates_are_refused_before_any_work(text, says):
    with pytest.raises(SettingsError, match=says):
        Template.parse(text)


def test_inputs_that_would_meet_all_get_their_extension():
    names = [PurePath("a.jpg"), PurePath("A.jpg"), PurePath("b.jpg")]
    sources = [Path("x/a.dng"), Path("x/A.CR2"), Path("x/b.dng")]
    assert list(map(str, distinct(names, sources))) == ["a_dng.jpg", "A_cr2.jpg", "b.jpg"]


def test_where_extensions_are_the_same_the_folder_tells():
    names = [PurePath("a.jpg"), PurePath("a.jpg")]
    assert list(map(str, distinct(names, [Path("/p/a.dng"), Path("/q/a.dng")]))) == ["a_dng_p.jpg", "a_dng_q.jpg"]


def test_a_longer_name_may_not_fall_on_another_input():
    names = [PurePath("a.jpg"), PurePath("a.jpg"), PurePath("a_dng.jpg")]
    result = distinct(names, [Path("/p/a.dng"), Path("/p/a.nef"), Path("/p/a_dng.raw")])
    assert len(set(result)) == 3


def test_what_still_meets_is_refused_by_name():
    with pytest.raises(SettingsError, match=r"several inputs.*a\.dng"):
        distinct([PurePath("a.jpg")] * 2, [Path("/p/x/a.dng"), Path("/q/x/a.dng")])


def test_further_outputs_lie_beside_the_photo():
    assert with_output(PurePath("d/a.b.jpg"), "depth", "tif") == PurePath("d/a.b_depth.tif")
    assert with_output(PurePath("d/a.jpg"), "image", "tif") == PurePath("d/a.jpg")


def test_exif_dates():
    assert shot_time("2024:05:06 07:08:09") == datetime(2024, 5, 6, 7, 8, 9)
    assert shot_time("    :  :     :  :  ") is None
    assert shot_time(None) is None
