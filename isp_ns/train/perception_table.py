"""The table of a comparison: rows of all runs, each against the single-task networks of the same seed."""

from collections.abc import Mapping, Sequence
from typing import Any

from isp_ns.metrics.multitask import delta_mtl
from isp_ns.train.perception_recipe import PerceptionRecipe

__all__ = ["HEADLINE", "protocol_of", "table_of"]

HEADLINE: Mapping[str, tuple[str, bool]] = {"depth": ("aerr_m", False), "labels": ("miou", True)}
"""The score of each task that Δ_MTL looks at, and whether more is better."""


def protocol_of(recipe: PerceptionRecipe, features_digest: str) -> dict[str, Any]:
    """What the numbers of a table mean."""
    return {
        "task": "multitask",
        "dataset": recipe.dataset,
        "labels": recipe.labels,
        "labels_learned": recipe.finer or recipe.labels,
        "splits": list(recipe.splits),
        "input": recipe.input,
        "space": recipe.space,
        "features_digest": features_digest,
        "raw": f"unprocessed to a mosaic, noise variance {recipe.test_noise} · x + offset in the test split",
        "grid": f"canonical, {recipe.coarse} × {recipe.coarse} cells packed",
        "scored_on": recipe.score_grid,
        "answers": "mean of those of the picture and of its mirror image",
        "weights": "averaged" if recipe.ema else "as trained",
        "epochs": f"the last, and the mean of the last {recipe.last_epochs}; never the best",
        "delta_mtl": "100 · mean over tasks of the relative gain over the single-task network of the same seed "
        + "and budget; "
        + "positive is better; "
        + ", ".join(f"{task}: {name}" for task, (name, _) in HEADLINE.items()),
        "recipe": recipe.name,
    }


def _baselines(rows: Sequence[Mapping[str, Any]], when: str) -> dict[tuple[str, int, str], float]:
    """Score of the single-task network by task, seed and budget."""
    return {
        (row["tasks"][0], row["seed"], row["budget"]): row[when][HEADLINE[row["tasks"][0]][0]]
        for row in rows
        if len(row["tasks"]) == 1 and row["balance"] == "uniform" and not row["distilled"]
    }


def _delta(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], when: str) -> float | None:
    baselines = _baselines(rows, when)
    pairs = [(task, baselines.get((task, row["seed"], row["budget"]))) for task in row["tasks"]]
    if len(pairs) < 2 or not all(value for _, value in pairs):
        return None
    scores = {task: row[when][HEADLINE[task][0]] for task, _ in pairs}
    base = {task: float(value or 0.0) for task, value in pairs}
    return round(delta_mtl(scores, base, {task: HEADLINE[task][1] for task, _ in pairs}), 3)


def table_of(recipe: PerceptionRecipe, rows: Sequence[Mapping[str, Any]], features_digest: str) -> dict[str, Any]:
    """Rows with Δ_MTL where the single-task networks are there.

    Args:
        recipe: of the runs.
        rows: one per method and seed.
        features_digest: of the weights that make features.

    Returns:
        schema, protocol and rows.

    Source: Vandenhende et al. 2021, "Multi-task learning for dense prediction tasks", eq. 1, for Δ_MTL.
    """
    full = [
        {**row, "delta_mtl_last": _delta(row, rows, "last"), "delta_mtl_mean": _delta(row, rows, "mean")}
        for row in rows
    ]
    return {"schema": 1, "protocol": protocol_of(recipe, features_digest), "rows": full}
