"""The rendered page stands alone, and all its links lead somewhere."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from tests.spec.documents import SOURCE
from tools.render_spec import render
from tools.spec_document import statements


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given[name] or "" for name in ("href", "src") if name in given]


@pytest.fixture(scope="module")
def text() -> str:
    return render(SOURCE)


@pytest.fixture(scope="module")
def page(text: str) -> _Page:
    return _Page(text)


def test_every_requirement_has_an_anchor(page: _Page) -> None:
    assert {statement.id for statement in statements(SOURCE)} <= set(page.ids)


def test_no_anchor_is_there_twice(page: _Page) -> None:
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []


def test_every_link_leads_to_an_anchor_of_the_page(page: _Page) -> None:
    assert {link for link in page.links if link[:1] != "#" or link[1:] not in page.ids} == set()


def test_every_section_mentioned_exists(page: _Page) -> None:
    mentioned = set(re.findall(r"Sections? ([0-9.]*[0-9])", SOURCE))
    assert {number for number in mentioned if f"section-{number}" not in page.ids} == set()


def test_it_needs_nothing_from_outside(page: _Page, text: str) -> None:
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(http" not in text
    assert page.tags.count("svg") == 2


def test_it_is_fit_for_dark_and_for_a_phone(text: str) -> None:
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_text_is_escaped() -> None:
    shown = render(
        '# T\n\n- **[A-1]** A server MUST do <b>x</b> & y.\n\n```json a\n{"<": 1}\n```\n'
    )
    assert '{"&lt;": 1}' in shown
    assert 'id="A-1"' in shown
