"""The errors of isp_ns, one class per kind of trouble.

IspError
├── DecodeError               a file could not be read; says what was tried
│   └── UnsupportedSensorError  the file is fine, its sensor or codec is not one we render
├── MetadataError             a value the work needs is absent or makes no sense
├── GraphError                a pipeline that cannot run; carries every problem found
├── StageError                a stage was given what it cannot take
├── ModelError                weights that are absent, altered or outside their domain
├── OutputError               a result that cannot be written as asked
│   └── OutputExistsError
├── SettingsError             a flag, setting or configuration file that makes no sense
└── MissingExtraError         an optional package is needed; names the pip line
"""

from collections.abc import Sequence

__all__ = [
    "DecodeError",
    "GraphError",
    "IspError",
    "MetadataError",
    "MissingExtraError",
    "ModelError",
    "OutputError",
    "OutputExistsError",
    "SettingsError",
    "StageError",
    "UnsupportedSensorError",
]


class IspError(Exception):
    """Base of all errors that isp_ns raises on purpose."""


class DecodeError(IspError):
    """A file could not be decoded: damaged, cut short, or not an image."""


class UnsupportedSensorError(DecodeError):
    """The file is readable, but its CFA, codec or layout is not one that isp_ns renders right."""


class MetadataError(IspError):
    """Metadata that the work needs is absent or contradictory."""


class GraphError(IspError):
    """A pipeline cannot be built. `problems` lists everything that is wrong with it."""

    def __init__(self, problems: Sequence[str], where: str = "pipeline") -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{where} has {len(self.problems)} problem(s):\n{lines}")


class StageError(IspError):
    """A stage was called with a frame or a parameter that it cannot take."""


class ModelError(IspError):
    """Weights are absent, do not match their card, or do not fit the input."""


class OutputError(IspError):
    """A result cannot be written in the way that was asked for."""


class OutputExistsError(OutputError):
    """The output is already there and the policy says to keep it."""


class SettingsError(IspError):
    """A flag, an argument or a configuration file asks for what does not exist or contradicts itself."""


class MissingExtraError(IspError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}: pip install 'isp-ns[{extra}]'")
