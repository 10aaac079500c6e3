"""The tables of the READMEs are those of the files. `python tests/content/test_readmes.py` writes them anew."""

import json
import re
import statistics
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
READMES = (ROOT / "pipelines" / "README.md", ROOT / "README.md")
RESULTS = ROOT / "data_tools" / "results"
BLOCK = re.compile(r"<!-- table: (\S+) -->\n(.*?)<!-- end -->", re.DOTALL)


def lines(head: list[str], rows: list[list[str]]) -> str:
    every = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(row)} |\n".replace("| --- ", "|---").replace("---|", "---|") for row in every)


def documents(kind: str) -> str:
    rows = []
    for path in sorted((ROOT / kind).glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        nodes = ", ".join(f"`{name}`" for name, entry in document.get("nodes", {}).items() if entry is not None)
        rows.append([f"`{path.stem}`", document["description"], nodes])
    return lines(["name", "what it is for", "nodes"], rows)


def results(name: str) -> list[dict]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]


def demosaic() -> str:
    """PSNR by method and noise, the best of each column in bold."""
    rows = results("demosaic_kodak24")
    sigmas = sorted({row["sigma"] for row in rows})
    best = {sigma: max(row["cpsnr_db"] for row in rows if row["sigma"] == sigma) for sigma in sigmas}
    table: dict[str, list[str]] = {}
    for row in rows:
        text = f"{row['cpsnr_db']:.2f}"
        text = f"**{text}**" if row["cpsnr_db"] == best[row["sigma"]] else text
        if row["sigma"] == 0:
            text += f" / {row['cpsnr_db_crop8']:.2f} / {row['ssim']:.4f}"
        table.setdefault(row["method"], [f"`{row['method']}`"]).append(text)
    return lines(["method", "σ 0: crop 0 / crop 8 / SSIM", *(f"σ {s:g}" for s in sigmas if s)], list(table.values()))


def raw() -> str:
    """PSNR and ΔE2000 of each pipeline by camera and ISO; the blind estimate in brackets."""
    found = {(r["camera"], r["iso"], r["pipeline"], r["noise"]): r for r in results("raw_kodak")}
    pipelines = sorted({key[2] for key in found})
    rows = []
    for camera, iso in dict.fromkeys((key[0], key[1]) for key in found):
        cells = []
        for pipeline in pipelines:
            known, blind = (found[camera, iso, pipeline, noise] for noise in ("true", "blind"))
            for key, digits in (("psnr_linear_db", 1), ("psnr_rendered_db", 1), ("delta_e2000", 2)):
                cells.append(f"{known[key]:.{digits}f} ({blind[key]:.{digits}f})")
        rows.append([camera, f"{iso:g}", *cells])
    head = [f"`{pipeline}` {what}" for pipeline in pipelines for what in ("linear dB", "rendered dB", "ΔE2000")]
    return lines(["camera", "ISO", *head], rows)


def compared() -> str:
    """PSNR and ΔE2000 of each pipeline by ISO, and the median time of a photo."""
    rows = results("compare_kodak")
    isos = sorted({row["iso"] for row in rows})
    table = []
    for name in dict.fromkeys(row["pipeline"] for row in rows):
        own = [row for row in rows if row["pipeline"] == name]
        cells = []
        for iso in isos:
            scores = [(row["psnr_db"], row["delta_e_2000"]) for row in own if row["iso"] == iso]
            psnr, error = (sum(column) / len(scores) for column in zip(*scores, strict=True))
            cells.append(f"{psnr:.1f} / {error:.2f}")
        table.append([f"`{name}`", *cells, f"{statistics.median(row['total_ms'] for row in own) / 1000:.2f} s"])
    return lines(["pipeline", *(f"ISO {iso:g}: dB / ΔE2000" for iso in isos), "time"], table)


def heads() -> str:
    """Scores of depth and labels by dataset and ISO."""
    rows = []
    for path in sorted((RESULTS / "heads").glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        told = found["protocol"]
        where = f"{told['dataset']} {told['split']}, {told['images']} pictures"
        names = (("delta1", 3), ("rmse_m", 3), ("rel", 3), ("miou", 3), ("pixel_accuracy", 3))
        scores = [f"{found[name]:.{digits}f}" if name in found else "" for name, digits in names]
        rows.append([f"`{told['weights']}`", where, f"{told['iso']:g}" if told["iso"] else "no noise", *scores])
    return lines(["heads", "from RAW of", "ISO", "δ1", "RMSE in m", "rel", "mIoU", "pixels right"], rows)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def multitask() -> str:
    """Scores of single tasks, balancers and distillation: mean over seeds of the mean of the last epochs."""
    rows = results("multitask_nyuv2")
    table = []
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        scores = []
        for key, digits in (("aerr_m", 3), ("delta1", 3), ("miou", 3), ("pixel_accuracy", 3)):
            known = [row["mean"][key] for row in own if key in row["mean"]]
            scores.append(f"{mean(known):.{digits}f}" if known else "")
        gains = [row["delta_mtl_mean"] for row in own if row["delta_mtl_mean"] is not None]
        gain = f"{mean(gains):+.1f} %" if gains else ""
        cost = [f"{own[0]['parameters'] / 1e6:.2f} M", f"{own[0]['macs'] / 1e6:.0f} M"]
        table.append(
            [f"`{name}`", f"{own[0]['epochs']:.0f}", *scores, gain, *cost, f"{mean([r['train_s'] for r in own]):.0f} s"]
        )
    head = ["method", "passes", "aErr in m", "δ1", "mIoU", "pixels right", "Δ_MTL", "parameters", "MACs", "training"]
    return lines(head, table)


def robustness() -> str:
    """Depth and labels of the same heads on each input, by condition; the best of each row in bold."""
    found = {(row["condition"], row["input"]): row for row in results("robustness_nyuv2")}
    inputs = list(dict.fromkeys(key[1] for key in found))
    table = []
    for condition in dict.fromkeys(key[0] for key in found):
        cells = []
        for score in ("delta1", "miou"):
            values = [round(found[condition, name][score], 3) for name in inputs]
            cells += [f"**{value:.3f}**" if value == max(values) else f"{value:.3f}" for value in values]
        table.append([condition, *cells])
    head = [f"{score} on `{name}`" for score in ("δ1", "mIoU") for name in inputs]
    return lines(["condition", *head], table)


def domains() -> str:
    """Pictures named right by camera, mean over seeds."""
    rows = results("domains_nyuv2")
    cameras = list(rows[0]["accuracy"])
    table = []
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        scores = [f"{mean([row['accuracy'][camera] for row in own]):.3f}" for camera in cameras]
        total = [row["mean_accuracy"] for row in own]
        size = f"{own[0]['parameters'] / 1e6:.2f} M"
        spread = f" ({min(total):.3f} to {max(total):.3f})" if len(total) > 1 else ""
        table.append([f"`{name}`", str(own[0]["networks"]), size, *scores, f"{mean(total):.3f}{spread}"])
    return lines(["method", "networks", "parameters", *cameras, "mean"], table)


TABLES = {
    "results/demosaic": demosaic,
    "results/raw": raw,
    "results/heads": heads,
    "results/compare": compared,
    "results/multitask": multitask,
    "results/robustness": robustness,
    "results/domains": domains,
}


def table(kind: str) -> str:
    return TABLES[kind]() if kind in TABLES else documents(kind)


def renewed(text: str) -> str:
    return BLOCK.sub(lambda found: f"<!-- table: {found[1]} -->\n{table(found[1])}<!-- end -->", text)


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_the_tables_are_those_of_the_files(path):
    text = path.read_text(encoding="utf-8")
    assert BLOCK.search(text)
    assert renewed(text) == text


if __name__ == "__main__":
    for path in READMES:
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
