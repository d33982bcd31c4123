from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from attrs import evolve

from chatroom_conformance.reports import html_report
from chatroom_conformance.results import (
    BaselineResult,
    Death,
    Entry,
    Finding,
    RequirementResult,
    RunResult,
    Status,
    Verdict,
    What,
)
from tests.conformance.reports import samples

#: All the elements, and their attributes, that the report is made of.
_ELEMENTS = """
html head meta title style body a header main footer nav section article h1 h2 h3 h4 p div
span strong em b i small code pre kbd blockquote ul ol li dl dt dd table thead tbody tr th
td details summary svg desc path rect text tspan
"""
ELEMENTS = set(_ELEMENTS.split())
_ATTRIBUTES = """
lang charset http-equiv content name class style href id title scope open tabindex role
aria-label aria-labelledby aria-hidden width height viewbox x y rx d
"""
ATTRIBUTES = set(_ATTRIBUTES.split())
HIDDEN = re.compile(
    "[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.names |= set(given)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given[name] or "" for name in ("href", "src") if name in given]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


HOSTILE = html_report.render(samples.hostile())
EACH = html_report.render(samples.one_of_each())


@pytest.mark.parametrize("page", [HOSTILE, EACH], ids=["hostile", "each"])
def test_nothing_is_on_the_page_but_what_the_report_puts_there(page: str) -> None:
    found = _Page(page)
    assert set(found.tags) <= ELEMENTS
    assert found.names <= ATTRIBUTES
    assert not HIDDEN.search(page)
    page.encode("utf-8")


@pytest.mark.parametrize("page", [HOSTILE, EACH], ids=["hostile", "each"])
def test_it_needs_nothing_from_outside_and_all_links_lead_somewhere(page: str) -> None:
    found = _Page(page)
    assert {link for link in found.links if link[:1] != "#" or link[1:] not in found.ids} <= {
        # A death is blamed on a case; this one isn't any.
        link
        for link in found.links
        if page is HOSTILE and link.startswith("#c-_3c_script")
    }
    assert "url(" not in page
    assert "@import" not in page


@pytest.mark.parametrize("page", [HOSTILE, EACH], ids=["hostile", "each"])
def test_no_id_is_there_twice(page: str) -> None:
    assert [name for name, count in Counter(_Page(page).ids).items() if count > 1] == []


def test_scripts_and_loads_are_forbidden_all_the_same() -> None:
    [policy] = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', EACH)
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


@pytest.mark.parametrize("verdict", Verdict)
def test_the_verdict_comes_first(verdict: Verdict) -> None:
    page = _Page(html_report.render(samples.run(samples.case(), verdict=verdict)))
    body = page.text[page.text.index("ChatRoom conformance report") :]
    assert body.index(verdict.value) < 60


def test_failures_come_before_the_matrix_and_the_cases() -> None:
    headings = re.findall('<h2 id="([a-z]+)"', EACH)
    assert headings == ["failures", "undecided", "requirements", "cases"]


def test_a_failure_says_requirement_permitted_actual_and_how_to_repeat_it() -> None:
    found = _Page(html_report.render(samples.run(samples.case(Status.VIOLATED)))).text
    at = found[found.index("Failures 1 case failed, 1 requirement blamed.") :]
    words = [
        "VIOLATED",
        "joining.granted",
        "JOIN-3",
        "MUST",
        "Permitted a join response",
        "Actual nothing came",
        "Repeat it chatroom-conformance 127.0.0.1:1134 joining.granted",
        "chatroom-conformance repro joining.granted",
        "Sequence of 14 events",
        "Bytes",
    ]
    places = [at.index(word) for word in words]
    assert places == sorted(places)


def test_violations_come_before_deviations() -> None:
    cases = [samples.case(Status.DEVIATES, "a.b"), samples.case(Status.VIOLATED, "c.d")]
    page = html_report.render(samples.run(*cases))
    assert re.findall('<article class="card ([a-z]+)"', page) == ["violated", "deviates"]


def test_a_run_without_failures_has_no_such_heading() -> None:
    page = html_report.render(samples.run(samples.case()))
    assert 'id="failures"' not in page
    assert "#failures" not in page


def test_every_requirement_has_a_tile_that_says_its_status_in_words() -> None:
    result = samples.one_of_each()
    tiles = re.findall('aria-label="([A-Z]+-[0-9]+), ([A-Z ]+): ([A-Z ]+)"', EACH)
    assert tiles == [(r.id, r.level, r.status.value) for r in _by_area(result)]


def _by_area(result: RunResult) -> list[RequirementResult]:
    areas = list(dict.fromkeys(r.area for r in result.requirements))
    return sorted(result.requirements, key=lambda r: areas.index(r.area))


def test_a_status_is_a_symbol_and_a_word() -> None:
    badges = set(
        re.findall('<span class="badge [a-z-]+"><span aria-hidden="true">(.)</span> ', EACH)
    )
    assert len(badges) == len(Status)
    for status in Status:
        assert re.search(f"</span> [0-9 ]*{status.value}</span>", EACH)


def test_a_case_that_passed_is_collapsed() -> None:
    page = html_report.render(samples.run(samples.case()))
    assert page.count("<svg") == 1
    [case] = re.findall('<details class="case"[^>]*>', page)
    assert "open" not in case


def test_bytes_are_shown_in_full_where_they_do_not_read_as_text() -> None:
    entry = Entry(0, "alice", What.RECEIVED, b"\xff\x00{}", 4)
    page = html_report.render(samples.run(samples.case(transcript=(entry,))))
    assert '<kbd class="u">0xFF U+0000</kbd>{}' in page
    assert "ff 00 7b 7d" in page


def test_octets_left_out_are_counted() -> None:
    entry = Entry(0, "alice", What.RECEIVED, "é".encode() * 4096, 65536)
    page = _Page(html_report.render(samples.run(samples.case(transcript=(entry,))))).text
    assert "65,056 octets more" in page
    assert "65,536 octets" in page


def test_troubles_are_told() -> None:
    page = _Page(
        html_report.render(
            samples.run(
                samples.case(Status.VIOLATED),
                trouble="It says nothing.",
                death=Death("joining.granted", "It was gone."),
                suite_bug="Traceback\nKeyError: 'x'",
                interrupted=True,
                baseline=BaselineResult("old.json", new=("JOIN-3",), unmatched=("JOIN-99",)),
            )
        )
    ).text
    for words in (
        "It says nothing.",
        "The server died It was gone.",
        "KeyError: 'x'",
        "interrupted",
        "baseline old.json",
        "does not say so: JOIN-3",
        "take them out of the baseline: JOIN-99",
    ):
        assert words in page, words


def test_many_findings_of_one_requirement_are_counted() -> None:
    findings = tuple(Finding("JOIN-3", Status.VIOLATED, "this", f"that {n}") for n in range(20))
    case = evolve(samples.case(Status.VIOLATED), findings=findings)
    assert "and 12 findings more" in html_report.render(samples.run(case))


def test_a_run_of_two_hundred_cases_stays_small() -> None:
    transcript = samples.conversation(samples.frame("sentinel 7ec1061795-1804" * 3)) * 3
    cases = [
        samples.case(
            Status.VIOLATED if n < 10 else Status.MET, f"a{n % 12}.{n}", transcript=transcript
        )
        for n in range(200)
    ]
    assert len(html_report.render(samples.run(*cases)).encode()) < 3_000_000


def test_hostile_texts_of_64_kilobytes_do_not_fill_the_page() -> None:
    assert len(HOSTILE) < 600_000


def test_bytes_of_a_case_that_passed_are_those_that_the_diagram_shortens() -> None:
    transcript = (
        samples.entry(0, "alice", What.SENT, b"{}\n"),
        samples.entry(0, "alice", What.RECEIVED, samples.frame("x" * 100)),
        samples.entry(0, "alice", What.RECEIVED, b"\0"),
    )
    page = html_report.render(samples.run(samples.case(transcript=transcript)))
    assert len(re.findall("<li><i>", page)) == 2
    failed = html_report.render(samples.run(samples.case(Status.VIOLATED, transcript=transcript)))
    assert len(re.findall("<li><i>", failed)) == 3


def test_many_failures_are_summed_up_and_folded() -> None:
    first = Finding("JOIN-3", Status.VIOLATED, "this", "that")
    last = Finding("JOIN-4", Status.VIOLATED, "this", "that")
    cases = [samples.case(Status.VIOLATED, f"a.{n}", findings=(first,)) for n in range(19)]
    cases.append(samples.case(Status.VIOLATED, "a.19", findings=(last,)))
    page = html_report.render(samples.run(*cases))
    words = _Page(page).text
    assert "20 cases failed, 2 requirements blamed." in words
    assert "a.4 and 14 more" in words.replace(" ,", ",")
    assert "8 failures more" in words
    cards = re.findall('<article class="card violated" id="c-a.([0-9]+)"', page)
    assert cards[:2] == ["0", "19"]
    assert sorted(map(int, cards)) == list(range(20))
    assert page.index("8 failures more") < page.index(f'id="c-a.{cards[12]}"')


def test_the_note_of_a_failure_stands_out() -> None:
    notes = [b"JOIN-3 is broken here", b"JOIN-33 is fine"]
    transcript = tuple(samples.entry(0, "", What.NOTE, note) for note in notes)
    page = html_report.render(samples.run(samples.case(Status.VIOLATED, transcript=transcript)))
    assert re.findall('<text class="([nw])"[^>]*>(JOIN-3+) is', page) == [
        ("w", "JOIN-3"),
        ("n", "JOIN-33"),
    ]


def test_what_was_not_decided_leads_to_its_case() -> None:
    cases = [samples.case(Status.BLOCKED, "a.b"), samples.case(Status.INCONCLUSIVE, "c.d")]
    page = html_report.render(samples.run(*cases))
    table = page[page.index('id="undecided"') : page.index('id="requirements"')]
    assert re.findall('href="#c-([a-z.]+)"', table) == ["c.d", "a.b"]
    assert "for a reason" in table
