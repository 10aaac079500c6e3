"""The three things a person reads first: who wins, by how much, at what cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from isp_ns.compare.results import Row, Summary, common_cases, summarise

__all__ = ["LEAST_DB", "Head", "judge"]

LEAST_DB = 0.1
"""A mean PSNR difference below this is no win: nobody sees it."""

CLEAR_ERRORS = 2.0
"""Standard errors by which a mean difference must stand out."""

LEAST_SHARE = 0.03
"""A sharpness or noise difference below this share of the value is no win."""


@dataclass(frozen=True)
class Head:
    """A question, its short answer, and the numbers behind it."""

    question: str
    answer: str
    detail: str


@dataclass(frozen=True)
class _Duel:
    """The paired difference of two pipelines over the same photographs, positive where the first is better."""

    first: str
    second: str
    mean: float
    error: float
    won: int
    count: int

    @property
    def clear(self) -> bool:
        return self.mean >= LEAST_DB and (self.count < 3 or self.mean > CLEAR_ERRORS * self.error)


def judge(rows: Sequence[Row], pipelines: Sequence[str]) -> tuple[Head, ...]:
    """Judge a comparison.

    With a truth the pipeline with the highest mean PSNR wins, if its mean lead over the next one is at least 0.1 dB and
    above two standard errors of the paired differences. Without a truth sharpness and noise are told, and nobody wins.

    Args:
        rows: all rows; those that failed do not count, nor photographs that not every pipeline rendered.
        pipelines: the names in the order given.

    Returns:
        Three heads; one that says why if nothing can be compared.
    """
    done = [row for row in rows if row.status == "done"]
    cases = common_cases(done)
    shared = [row for row in done if row.case in cases]
    names = [name for name in pipelines if any(row.pipeline == name for row in shared)]
    if len(names) < 2:
        what = f"only {names[0]} rendered anything" if names else "no pipeline rendered anything"
        return (Head("Who wins?", "Nobody", f"There is nothing to compare: {what}."),)
    means = {each.pipeline: each for each in summarise(shared, names)}
    if any(row.delta_e_2000 is not None for row in shared):
        return _with_truth(shared, means)
    return _without_truth(means, len(cases))


def _with_truth(shared: Sequence[Row], means: dict[str, Summary]) -> tuple[Head, ...]:
    scores = {name: [row.psnr_db for row in shared if row.pipeline == name] for name in means}
    ranking = sorted(means, key=lambda name: -_level(scores[name]))
    best, runner = ranking[0], ranking[1]
    duel = _duel(shared, best, runner)
    pictures = _count(duel.count, "picture")
    if duel.clear:
        who = Head("Who wins?", best, f"Closest to the truth on average over {pictures}. {_order(ranking, means)}")
        answer = f"{duel.mean:+.2f} dB over {runner}"
    else:
        who = Head(
            "Who wins?", "No clear winner", f"{best} and {runner} are level over {pictures}. {_order(ranking, means)}"
        )
        answer = f"{abs(duel.mean):.2f} dB between {best} and {runner}"
    return who, Head("By how much?", answer, _margin(duel, means, shared)), _cost(best, ranking[1:], means)


def _level(scores: Sequence[float | None]) -> float:
    """Mean PSNR; pictures equal to the truth count as 100 dB."""
    return sum(100.0 if score is None else score for score in scores) / len(scores)


def _duel(shared: Sequence[Row], first: str, second: str) -> _Duel:
    scores = {(row.pipeline, row.case): 100.0 if row.psnr_db is None else row.psnr_db for row in shared}
    cases = sorted({row.case for row in shared})
    steps = [scores[first, case] - scores[second, case] for case in cases]
    mean = sum(steps) / len(steps)
    spread = math.sqrt(sum((step - mean) ** 2 for step in steps) / max(len(steps) - 1, 1))
    won = sum(step > 0 for step in steps)
    return _Duel(first, second, mean, spread / math.sqrt(len(steps)), won, len(steps))


def _order(ranking: Sequence[str], means: dict[str, Summary]) -> str:
    listed = (f"{name} {_shown(means[name].means['psnr_db'], '.2f')} dB" for name in ranking)
    return f"Mean PSNR: {', '.join(listed)}."


def _margin(duel: _Duel, means: dict[str, Summary], shared: Sequence[Row]) -> str:
    parts = [f"{duel.first} is nearer to the truth in {duel.won} of {_count(duel.count, 'picture')}"]
    if duel.count >= 3:
        parts.append(f"the mean difference is {duel.mean:.2f} ± {duel.error:.2f} dB (standard error)")
    colour = [means[name].means["delta_e_2000"] for name in (duel.first, duel.second)]
    parts.append(f"ΔE2000 {_shown(colour[0], '.2f')} against {_shown(colour[1], '.2f')}")
    text = "; ".join(parts) + "."
    return f"{text} {_by_iso(shared)}".strip()


def _by_iso(shared: Sequence[Row]) -> str:
    """Who leads at each sensitivity; a lead below `LEAST_DB` is none."""
    isos = sorted({row.iso for row in shared if row.iso is not None})
    if len(isos) < 2:
        return ""
    leaders = []
    for iso in isos:
        here = [row for row in shared if row.iso == iso]
        names = list(dict.fromkeys(row.pipeline for row in here))
        levels = {name: _level([row.psnr_db for row in here if row.pipeline == name]) for name in names}
        best, runner = sorted(names, key=lambda name: -levels[name])[:2]
        lead = levels[best] - levels[runner]
        leaders.append((f"ISO {iso:g}", best if lead >= LEAST_DB else None, lead))
    found = {leader for _, leader, _ in leaders}
    if found == {None}:
        return "The two best are level at every ISO."
    if len(found) == 1:
        return "It leads at every ISO: " + ", ".join(f"{iso} by {lead:.2f} dB" for iso, _, lead in leaders) + "."
    told = [f"{iso} {leader} by {lead:.2f} dB" if leader else f"{iso} level" for iso, leader, lead in leaders]
    return f"By ISO: {', '.join(told)}."


def _cost(best: str, others: Sequence[str], means: dict[str, Summary]) -> Head:
    own = means[best].means
    answer = f"{best} takes {_times(own['total_ms'], means[others[0]].means['total_ms'])} the time of {others[0]}"
    listed = (
        f"{name} {_shown(means[name].means['total_ms'], '.0f')} ms and {_shown(means[name].means['peak_mb'], '.0f')} MB"
        for name in (best, *others)
    )
    return Head("At what cost?", answer, f"For a photograph: {'; '.join(listed)}.")


def _without_truth(means: dict[str, Summary], count: int) -> tuple[Head, ...]:
    note = f"Over {_count(count, 'photograph')}, without a truth: no measure can tell which picture is right."
    sharp = _extreme(
        "Which is sharpest?", means, "mtf50", 1, "cycles per pixel at half response; sharpening raises it", ".3f"
    )
    clean = _extreme("Which is cleanest?", means, "noise_luma_255", -1, "of 255 noise in flat places", ".2f")
    names = sorted(means, key=lambda name: means[name].means["total_ms"] or math.inf)
    cost = _cost(names[0], names[1:], means)
    quickest = Head("At what cost?", f"{names[0]} is quickest", f"{cost.answer}. {cost.detail} {note}")
    return sharp, clean, quickest


def _extreme(question: str, means: dict[str, Summary], key: str, sign: int, unit: str, form: str) -> Head:
    known = {name: value for name, each in means.items() if (value := each.means[key]) is not None}
    if len(known) < 2:
        return Head(question, "Not measured", "No place in these photographs serves for it.")
    ranking = sorted(known, key=lambda name: -sign * known[name])
    best, runner = ranking[0], ranking[1]
    level = abs(known[best] - known[runner]) < LEAST_SHARE * max(abs(known[runner]), 1e-9)
    listed = ", ".join(f"{name} {known[name]:{form}}" for name in ranking)
    answer = f"{best} and {runner}, level" if level else best
    return Head(question, answer, f"{listed} {unit}.")


def _times(value: float | None, other: float | None) -> str:
    return f"{value / other:.2g}×" if value and other else "an unknown multiple of"


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
