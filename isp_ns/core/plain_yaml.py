"""YAML as plain data: the safe loader, with numbers as people write them."""

import re
from typing import Any

import yaml

__all__ = ["PlainLoader", "load_yaml"]


class PlainLoader(yaml.SafeLoader):
    """The safe loader, to which 1e-4 is a number.

    Source: YAML 1.2.2, section 10.3.2; YAML 1.1 asks for a point and a sign in the exponent.
    """


PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+"), list("-+.0123456789")
)


def load_yaml(text: str) -> Any:
    """The document in `text`.

    Raises:
        yaml.YAMLError: if it is no YAML, or more than plain data.
    """
    return yaml.load(text, Loader=PlainLoader)
