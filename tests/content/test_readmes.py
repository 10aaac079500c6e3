"""The tables of the READMEs are those of the files. `python tests/content/test_readmes.py` writes them anew."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PIPELINES = ROOT / "pipelines" / "README.md"
BLOCK = re.compile(r"<!-- table: (\S+) -->\n(.*?)<!-- end -->", re.DOTALL)


def table(kind: str) -> str:
    rows = ["| name | what it is for | nodes |", "|---|---|---|"]
    for path in sorted((ROOT / kind).glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        nodes = ", ".join(f"`{name}`" for name, entry in document.get("nodes", {}).items() if entry is not None)
        rows.append(f"| `{path.stem}` | {document['description']} | {nodes} |")
    return "\n".join(rows) + "\n"


def renewed(text: str) -> str:
    return BLOCK.sub(lambda found: f"<!-- table: {found[1]} -->\n{table(found[1])}<!-- end -->", text)


def test_the_tables_are_those_of_the_files():
    text = PIPELINES.read_text(encoding="utf-8")
    assert BLOCK.search(text)
    assert renewed(text) == text


if __name__ == "__main__":
    PIPELINES.write_text(renewed(PIPELINES.read_text(encoding="utf-8")), encoding="utf-8")
