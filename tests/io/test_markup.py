"""The frame that pages share: titles that are markup, what may load and run, the sheet of colours."""

import re
from html.parser import HTMLParser

import pytest

from isp_ns.io.markup import BASE_SHEET, page_document, tag

EVIL = "</title><img src=x onerror=alert(1)>&amp;"
SHEETS = ("assets/base.css", 'a"b.css')


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text in each."""

    def __init__(self, page):
        super().__init__()
        self.found, self.texts = [], {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        name = self.found[-1][0] if self.found else ""
        self.texts[name] = self.texts.get(name, "") + data

    def all(self, name):
        return [attributes for tag, attributes in self.found if tag == name]


def policy(**options):
    page = Elements(page_document("a", tag("body"), SHEETS, **options))
    (found,) = (each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy")
    return dict(part.split(" ", 1) for part in found.split("; "))


def test_a_title_and_places_of_sheets_are_text_never_markup():
    page = page_document(EVIL, tag("body", "text"), SHEETS)
    elements = Elements(page)
    assert page.startswith('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">')
    assert elements.all("img") == []
    assert elements.texts["title"] == EVIL
    assert [link["href"] for link in elements.all("link")] == ["data:,", *SHEETS]
    assert {"name": "color-scheme", "content": "light dark"} in elements.all("meta")


def test_nothing_from_elsewhere_loads_and_scripts_run_only_where_wanted():
    assert policy()["default-src"] == "'none'"
    assert "script-src" not in policy()
    assert policy(scripts=True) == policy() | {"script-src": "'self' file:"}
    assert not re.search("unsafe|http|\\*", " ".join(policy(scripts=True).values()))


@pytest.mark.parametrize("name", ["paper", "card", "ink", "soft", "line", "accent", "accent-ink", "well"])
def test_colours_are_light_and_dark_and_nothing_is_fetched(name):
    sheet = BASE_SHEET.read_text(encoding="utf-8")
    (light, dark) = re.search(rf"--{name}: light-dark\((#\w+), (#\w+)\);", sheet).groups()
    assert light != dark
    assert not re.search("http|@import|url", sheet)
