"""The page in a real browser: hostile text does nothing, all fits, all can be read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chatroom_conformance.reports import files
from tests.conformance.reports import samples
from tests.conformance.reports.browser import measure
from tests.conformance.reports.test_html import ATTRIBUTES, ELEMENTS, HIDDEN

#: What there is, with every `<details>` open: elements, attributes, overflow, what can't be read.
SCRIPT = r"""
const luminance = rgb => rgb.map(v => v / 255)
  .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
const channels = colour => colour.match(/[\d.]+/g).map(Number);
const behind = element => {
  if (element.matches('text.h, text.hs'))
    return channels(view.getComputedStyle(element.previousElementSibling).fill);
  for (let e = element; e; e = e.parentElement) {
    const found = channels(view.getComputedStyle(e).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const contrast = element => {
  const style = view.getComputedStyle(element);
  const inside = element.closest('svg');
  const a = luminance(channels(inside ? style.fill : style.color).slice(0, 3));
  const b = luminance(behind(element).slice(0, 3));
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
};
const root = document.documentElement;
const closed = root.scrollWidth - root.clientWidth;
for (const details of document.querySelectorAll('details')) details.open = true;
const all = [...document.querySelectorAll('*')];
const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
const shown = all.filter(e => own(e) && !e.matches('title, style, desc') && !e.closest('head'));
const faint = shown.filter(e => contrast(e) < 4.5)
  .map(e => `${e.tagName}.${e.getAttribute('class')}: ${contrast(e).toFixed(2)}`);
return {
  hacked: Boolean(view.top.hacked || view.hacked),
  title: document.title,
  tags: [...new Set(all.map(e => e.tagName.toLowerCase()))],
  attributes: [...new Set(all.flatMap(e => e.getAttributeNames()))].map(n => n.toLowerCase()),
  text: document.body.textContent,
  overflow: [closed, root.scrollWidth - root.clientWidth],
  wide: all.filter(e => !e.closest('svg, .scroll') && !e.matches('.skip, .skip *')
    && !e.closest('thead') && e.getBoundingClientRect().right > root.clientWidth + 1)
    .map(e => `${e.tagName}.${e.className}`).slice(0, 5),
  faint: [...new Set(faint)],
  texts: shown.length,
  background: view.getComputedStyle(document.body).backgroundColor,
  scrollable: [...document.querySelectorAll('.scroll')].every(e => e.tabIndex === 0),
  levels: [...document.querySelectorAll('h1,h2,h3,h4')].map(e => Number(e.tagName[1])),
};
"""
VIEWS = {"phone, light": (390, False), "wide, dark": (1280, True)}


@pytest.fixture(scope="module", params=VIEWS)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    width, dark = VIEWS[request.param]
    folder: Path = tmp_path_factory.mktemp("browser")
    files.write_html(samples.hostile(), folder / "report.html")
    measured = measure(folder / "report.html", folder, SCRIPT, width=width, dark=dark)
    return {**measured, "dark": dark}


def test_hostile_text_does_nothing(found: Any) -> None:
    assert not found["hacked"]
    assert found["title"].startswith("NOT CONFORMANT: ")
    assert set(found["tags"]) <= ELEMENTS
    assert set(found["attributes"]) <= ATTRIBUTES
    assert not HIDDEN.search(found["text"])


def test_nothing_is_wider_than_the_screen(found: Any) -> None:
    assert found["overflow"] == [0, 0]
    assert found["wide"] == []


def test_everything_can_be_read(found: Any) -> None:
    assert found["texts"] > 300
    assert found["faint"] == []


def test_it_follows_the_colour_scheme(found: Any) -> None:
    assert (found["background"] == "rgb(13, 17, 23)") == found["dark"]


def test_it_works_by_keyboard_and_for_screen_readers(found: Any) -> None:
    assert found["scrollable"]
    levels = found["levels"]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
