"""Write the manifest of a folder of training pictures: names, digests, hold-out.

python data_tools/image_manifest.py NAME DATA_ROOT FOLDER --origin TEXT --licence TEXT [--holdout-every N]
"""

import argparse
import hashlib
from pathlib import Path

import yaml


def manifest(args: argparse.Namespace) -> dict[str, object]:
    """The manifest as a dictionary."""
    folder = Path(args.root) / args.folder
    files = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".webp"))
    held = set(files[:: args.holdout_every]) if args.holdout_every else set()
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {
        "schema": 1,
        "name": args.name,
        "origin": args.origin,
        "licence": args.licence,
        "folder": args.folder,
        "train": {p.name: d for p, d in digests.items() if p not in held},
        "holdout": {p.name: d for p, d in digests.items() if p in held},
    }


def main() -> None:
    """Parse the command line and write data_tools/manifests/NAME.yaml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("root")
    parser.add_argument("folder")
    parser.add_argument("--origin", required=True)
    parser.add_argument("--licence", required=True)
    parser.add_argument("--holdout-every", type=int, default=0)
    args = parser.parse_args()
    path = Path(__file__).parent / "manifests" / f"{args.name}.yaml"
    path.write_text(yaml.safe_dump(manifest(args), sort_keys=False, width=200), encoding="utf-8")


if __name__ == "__main__":
    main()
