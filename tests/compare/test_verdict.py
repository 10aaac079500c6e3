"""Who wins, by how much, at what cost: right for cases whose answer is known."""

import pytest

from isp_ns.compare.results import Row
from isp_ns.compare.verdict import judge


def rows(scores, *, iso=(None,), time_ms=None):
    """Rows with a truth: `scores` gives a list of PSNR values by pipeline, one for each photograph."""
    return [
        Row(
            case=case,
            scene=f"scene {case}",
            pipeline=name,
            iso=iso[case % len(iso)],
            width_px=1000,
            height_px=1000,
            psnr_db=value,
            delta_e_2000=1.0,
            render_ms=(time_ms or {}).get(name, 100.0),
            peak_mb=100.0,
        )
        for name, values in scores.items()
        for case, value in enumerate(values)
    ]


def test_the_higher_mean_wins_by_the_paired_difference():
    scores = {"a": [30.0, 35.0, 40.0], "b": [33.1, 37.9, 43.0]}
    who, margin, cost = judge(rows(scores, time_ms={"a": 100.0, "b": 250.0}), ["a", "b"])
    assert who.answer == "b"
    assert margin.answer == "+3.00 dB over a"
    assert "3 of 3 pictures" in margin.detail
    assert "± 0.06 dB" in margin.detail
    assert cost.answer == "b takes 2.5× the time of a"
    assert "b 250 ms and 100 MB" in cost.detail


@pytest.mark.parametrize(
    "scores",
    [
        {"a": [30.0, 35.0], "b": [30.05, 35.04]},
        {"a": [30.0, 35.0, 40.0, 32.0], "b": [35.0, 31.5, 43.0, 29.0]},
        {"a": [None, None], "b": [None, None]},
    ],
)
def test_nobody_wins_where_the_difference_is_too_small_or_uncertain(scores):
    assert judge(rows(scores), ["a", "b"])[0].answer == "No clear winner"


def test_a_picture_equal_to_the_truth_beats_any_other():
    assert judge(rows({"a": [50.0], "b": [None]}), ["a", "b"])[0].answer == "b"


def test_leaders_that_change_with_the_sensitivity_are_named():
    scores = {"a": [40.0, 30.0], "b": [38.0, 31.0]}
    margin = judge(rows(scores, iso=(100.0, 12800.0)), ["a", "b"])[1]
    assert "ISO 100 a by 2.00 dB, ISO 12800 b by 1.00 dB" in margin.detail


def test_a_lead_that_nobody_sees_is_told_as_level():
    scores = {"a": [40.0, 30.0], "b": [39.95, 32.0]}
    assert "ISO 100 level, ISO 12800 b by 2.00 dB" in judge(rows(scores, iso=(100.0, 12800.0)), ["a", "b"])[1].detail
    scores = {"a": [40.0, 30.0], "b": [39.95, 30.05]}
    assert "level at every ISO" in judge(rows(scores, iso=(100.0, 12800.0)), ["a", "b"])[1].detail


def test_only_photographs_that_all_pipelines_have_are_judged():
    done = rows({"a": [30.0, 60.0], "b": [31.0]})
    failed = Row(case=1, scene="scene 1", pipeline="b", status="failed", reason="broken")
    who, margin, _ = judge([*done, failed], ["a", "b"])
    assert who.answer == "b"
    assert margin.answer == "+1.00 dB over a"


def test_a_pipeline_that_never_worked_does_not_count():
    failed = [Row(case=case, scene="s", pipeline="c", status="failed") for case in range(2)]
    assert judge([*rows({"a": [30.0, 31.0], "b": [35.0, 36.0]}), *failed], ["a", "b", "c"])[0].answer == "b"
    heads = judge(failed, ["c"])
    assert [head.answer for head in heads] == ["Nobody"]
    assert "no pipeline" in heads[0].detail


def test_without_a_truth_sharpness_noise_and_time_are_told_and_nobody_wins():
    blind = [
        Row(case=0, scene="s", pipeline="sharp", mtf50=0.30, noise_luma_255=2.0, render_ms=50, width_px=9, height_px=9),
        Row(case=0, scene="s", pipeline="soft", mtf50=0.15, noise_luma_255=0.9, render_ms=90, width_px=9, height_px=9),
    ]
    sharp, clean, cost = judge(blind, ["sharp", "soft"])
    assert (sharp.question, sharp.answer) == ("Which is sharpest?", "sharp")
    assert (clean.question, clean.answer) == ("Which is cleanest?", "soft")
    assert cost.answer == "sharp is quickest"
    assert "without a truth" in cost.detail


def test_without_edges_sharpness_is_not_measured():
    blind = [Row(case=0, scene="s", pipeline=name, noise_luma_255=1.0, width_px=9, height_px=9) for name in "ab"]
    assert judge(blind, ["a", "b"])[0].answer == "Not measured"
    assert "level" in judge(blind, ["a", "b"])[1].answer
