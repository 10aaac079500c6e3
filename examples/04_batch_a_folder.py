"""A folder of RAW files becomes photos; a listener hears of every file, and a report remembers what became of it.

    python examples/04_batch_a_folder.py [FOLDER]

Without a folder, two simulated photographs and a damaged file. A second run skips what is there already.
"""

import sys
from pathlib import Path

import isp_ns as isp
from isp_ns.batch import Record
from isp_ns.batch.listener import Silent
from isp_ns.data.synth import synthesise


class Teller(Silent):
    """Prints a line for each file as soon as it is done with; all else stays silent."""

    def settle(self, record: Record) -> None:
        print(f"{record.status:8} {Path(record.input).name} {record.reason}", flush=True)


folder = Path(sys.argv[1] if len(sys.argv) > 1 else "shoot")
if len(sys.argv) == 1:
    folder.mkdir(exist_ok=True)
    for iso in (100, 1600):
        synthesise(None, folder / f"leaves_iso{iso}.dng", camera="fictitious-phone", iso=iso, size=(480, 640))
    (folder / "cut_short.dng").write_bytes((folder / "leaves_iso100.dng").read_bytes()[:5000])

report = isp.process(folder, "photos", "classic", on_exists="if-changed", quality=90, listener=Teller())
report.write(Path("report.csv"))
for record in report.records:
    print(Path(record.input).name, record.size, {phase: f"{1e3 * s:.0f} ms" for phase, s in record.seconds.items()})
print(report.summary(), "- exit code", report.exit_code)
