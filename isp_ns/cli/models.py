"""`isp-ns models`: the weights that ship, their cards, and whether they are what the cards say."""

import sys
from dataclasses import asdict
from pathlib import Path

import click

from isp_ns.core.errors import SettingsError

__all__ = ["models"]


@click.group(
    epilog="""\b
Examples:
  isp-ns models list
  isp-ns models show ns-lite
  isp-ns models verify
"""
)
def models() -> None:
    """List, show and verify the weights of neural stages."""


@models.command("list")
def list_models() -> None:
    """List the weights with kind, size and licence."""
    from isp_ns.nets.cards import read_card

    for path in _cards():
        card = read_card(path)
        count = card.parameters.get("total", sum(card.parameters.values()))
        click.echo(f"{card.name}\t{card.kind}\t{count / 1e3:.0f} k parameters\t{card.licence}")


@models.command()
@click.argument("name")
def show(name: str) -> None:
    """Show the card of the weights NAME: data, domain, measurements, licence."""
    import yaml

    from isp_ns.nets.cards import read_card

    click.echo(yaml.safe_dump(asdict(read_card(_card(name))), sort_keys=False, allow_unicode=True).rstrip())


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def verify(names: tuple[str, ...]) -> None:
    """Check that weights (all, if none is named) have the digests on their cards."""
    from isp_ns.nets.cards import verify_weights

    failed = False
    for path in [_card(name) for name in names] or _cards():
        try:
            verify_weights(path)
            click.echo(f"ok\t{path.stem}")
        except ValueError as error:
            failed = True
            click.echo(f"failed\t{error}")
    sys.exit(int(failed))


def _cards() -> list[Path]:
    from isp_ns.nets.cards import weights_folder

    return sorted(weights_folder().glob("*.yaml"))


def _card(name: str) -> Path:
    from isp_ns.core.registry import did_you_mean

    cards = {path.stem: path for path in _cards()}
    if name not in cards:
        raise SettingsError(f"there are no weights {name}{did_you_mean(name, cards)}")
    return cards[name]
