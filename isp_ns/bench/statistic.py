"""Median and spread of repeated measurements, and ratios taken pair by pair."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Spread", "paired_ratios", "spread"]


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one quantity: median, first and third quartile, and the values in order."""

    median: float
    q1: float
    q3: float
    values: tuple[float, ...]


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of measurements.

    Args:
        values: one or more numbers of any unit.

    Returns:
        The quartiles lie within the values, as linear interpolation between order statistics gives them.

    Raises:
        ValueError: if there are no values.

    Source: Hyndman and Fan (1996), definition 7.
    """
    if not values:
        raise ValueError("nothing was measured: a spread needs at least one value")
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], (values[0],))
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, q1, q3, tuple(values))


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The ratio ours / theirs of each pair of runs, and its spread; above 1, ours is slower or larger.

    What slows the machine down for a while slows down both runs of a pair, and cancels out.

    Args:
        ours: positive measurements of one program.
        theirs: as many of the other, in the same order.

    Raises:
        ValueError: if there are not as many of the one as of the other, none at all, or one that is not positive.

    Source: definition.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} runs cannot be paired with {len(theirs)}")
    if any(value <= 0 for value in theirs):
        raise ValueError("a ratio needs positive measurements")
    return spread([own / other for own, other in zip(ours, theirs, strict=True)])
