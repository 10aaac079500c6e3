"""Settings from files and from the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isp_ns.batch.scan import Source
from isp_ns.batch.settings import Layer, Settings, table
from isp_ns.core.errors import SettingsError

__all__ = ["CONFIG_NAME", "ENVIRONMENT_PREFIX", "with_environment", "with_file", "with_sidecar"]

CONFIG_NAME = "isp-ns.yaml"
"""The configuration file that is read from the current folder when none is named."""

ENVIRONMENT_PREFIX = "ISP_NS_"
"""`ISP_NS_QUALITY=90` says what `--quality 90` says, for every setting."""


def with_file(settings: Settings, path: Path) -> Settings:
    """Add a configuration file: a YAML mapping from names of settings to values.

    Raises:
        SettingsError: if it cannot be read or says what makes no sense.
    """
    return settings.layered(_document(path), Layer.FILE, str(path))


def with_environment(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """Add the variables of `environment` that name a setting; empty ones say nothing.

    Raises:
        SettingsError: if a value makes no sense.
    """
    found = {name: environment.get(ENVIRONMENT_PREFIX + name.upper()) or None for name in table()}
    return settings.layered(found, Layer.ENVIRONMENT, "environment")


def with_sidecar(settings: Settings, source: Source) -> Settings:
    """Add the photo's own settings file, if it has one, below the flags.

    Raises:
        SettingsError: if it cannot be read or says what makes no sense.
    """
    try:
        if not source.sidecar.exists():
            return settings
    except OSError:
        # A name that has no room for the suffix has no such file either.
        return settings
    return settings.layered(_document(source.sidecar), Layer.SIDECAR, str(source.sidecar))


def _document(path: Path) -> dict[str, Any]:
    import yaml

    from isp_ns.core.plain_yaml import load_yaml

    try:
        text = path.read_text(encoding="utf-8")
        document, written = load_yaml(text), yaml.load(text, Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: {' '.join(str(error).split())}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: is a mapping such as `quality: 90`, one setting a line")
    # As written, since YAML takes 4:2:0 for a number to the base of 60; parameters of nodes are YAML's own values.
    found = {name: document[name] if name == "set" else value for name, value in written.items()}
    return {name.replace("-", "_"): value if value not in ("", "null", "~") else None for name, value in found.items()}
