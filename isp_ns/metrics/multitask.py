"""How much is gained by learning several tasks in one network."""

from collections.abc import Mapping

__all__ = ["delta_mtl"]


def delta_mtl(scores: Mapping[str, float], single: Mapping[str, float], more_is_better: Mapping[str, bool]) -> float:
    """Mean relative gain over single-task networks, in per cent; positive is better.

    Args:
        scores: of the network for all tasks, by task.
        single: of each task's own network.
        more_is_better: whether a score is one of which more is better, by task.

    Raises:
        ValueError: if the tasks differ, or there is none, or a single-task score is zero.

    Source: Vandenhende et al. 2021, "Multi-task learning for dense prediction tasks: a survey", eq. 1; Li, Liu, Bilen
        2024 (arXiv 2204.02744).
    """
    if not scores or set(scores) != set(single):
        raise ValueError(f"scores of {', '.join(scores) or 'nothing'}, single-task scores of {', '.join(single)}")
    zero = [task for task, value in single.items() if value == 0]
    if zero:
        raise ValueError(f"the single-task score of {zero[0]} is zero, and nothing can be compared with it")
    gains = [(scores[task] - single[task]) / single[task] * (1 if more_is_better[task] else -1) for task in scores]
    return 100 * sum(gains) / len(gains)
