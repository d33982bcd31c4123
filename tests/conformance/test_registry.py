"""Cases that could not prove what they say are refused; all others fit the specification."""

import pytest

from chatroom_conformance import registry
from chatroom_conformance.cases import load_cases
from chatroom_conformance.registry import RegistrationError, case
from chatroom_conformance.requirements import requirements
from chatroom_conformance.runner import Options, UnknownCaseError, _needs_first, run
from chatroom_conformance.vocabulary import Room

CASES = load_cases()


def test_never_without_a_fence_is_refused() -> None:
    def unfenced(room: Room) -> None:
        """A rule."""
        bob = room.join("bob")
        bob.expect(None)  # type: ignore[arg-type]
        bob.never(None)  # type: ignore[call-arg, arg-type]

    with pytest.raises(RegistrationError, match="without a fence"):
        case("test.unfenced", "DM-1")(unfenced)


def test_never_without_a_positive_control_is_refused() -> None:
    def uncontrolled(room: Room) -> None:
        """A rule."""
        bob = room.join("bob")
        bob.never(None, until=bob.the_end())  # type: ignore[arg-type]

    with pytest.raises(RegistrationError, match="positive control"):
        case("test.uncontrolled", "DM-1")(uncontrolled)


def test_a_case_without_a_rule_or_a_requirement_is_refused() -> None:
    def silent(room: Room) -> None:
        pass

    with pytest.raises(RegistrationError, match="quotes no rule"):
        case("test.silent", "DM-1")(silent)
    silent.__doc__ = "A rule."
    with pytest.raises(RegistrationError, match="names no requirement"):
        case("test.silent")(silent)


def test_an_id_twice_is_refused() -> None:
    def again(room: Room) -> None:
        """A rule."""

    with pytest.raises(RegistrationError, match="two cases"):
        case("joining.granted", "DM-1")(again)


def test_every_case_names_requirements_that_there_are() -> None:
    unknown = {
        name
        for found in CASES.values()
        for name in found.requirements
        if name not in requirements()
    }
    assert not unknown


def test_every_case_quotes_the_text_of_its_first_requirement() -> None:
    """All of it, or what comes before a list that the case quotes in a sentence of its own."""
    texts = {found.id: requirements()[found.requirements[0]].text for found in CASES.values()}
    wrong = [
        found.id
        for found in CASES.values()
        if not texts[found.id].startswith(found.rule.rstrip("."))
    ]
    assert not wrong


def test_every_requirement_that_a_case_can_test_has_one() -> None:
    covered = {name for found in CASES.values() for name in found.requirements}
    missing = [
        requirement.id
        for requirement in requirements().values()
        if requirement.tested == "case" and requirement.id not in covered
    ]
    assert missing == []


def test_needs_come_first_in_any_order() -> None:
    ordered = _needs_first(list(reversed(CASES.values())), CASES)
    places = {found.id: place for place, found in enumerate(ordered)}
    assert len(places) == len(CASES)
    for found in ordered:
        assert all(places[needed] < places[found.id] for needed in found.needs)


def test_no_case_needs_one_that_is_disruptive_or_timed() -> None:
    for found in CASES.values():
        for needed in map(CASES.__getitem__, found.needs):
            assert found.disruptive or not needed.disruptive
            assert found.timed or not needed.timed


def test_selection() -> None:
    names = ["a.one", "a.two", "b.one"]
    assert registry.select(["a.*"], names) == (["a.one", "a.two"], [])
    assert registry.select(["b.one", "nothing", "c*"], names) == (["b.one"], ["nothing", "c*"])


def test_an_unknown_case_is_an_error_before_anything_is_sent() -> None:
    with pytest.raises(UnknownCaseError):
        run("127.0.0.1:1", Options(select=["no.such-case"]))
