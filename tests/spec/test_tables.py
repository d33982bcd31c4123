"""The tables of the specification are the package's own."""

from __future__ import annotations

import re

from attrs import fields

from chatroom_protocol import errors, frames, limits, states
from tests.spec.documents import SOURCE, load
from tools import spec_diagrams


def test_states() -> None:
    written = {
        (machine["role"], row["state"], row["input"]): row["next"]
        for machine in load("states.json")["roles"]
        for row in machine["transitions"]
    }
    coded = {
        (role.value, state.value, given.value): following.value
        for (role, state, given), following in states.TRANSITIONS.items()
    }
    assert written == coded


def test_names_of_states_and_inputs() -> None:
    content = load("states.json")
    assert [given["name"] for given in content["inputs"]] == [i.value for i in states.Input]
    kinds = {"client": states.ClientState, "server": states.ServerState}
    for machine in content["roles"]:
        names = [state["name"] for state in machine["states"]]
        assert names == [state.value for state in kinds[machine["role"]]]
        assert machine["initial"] == names[0]
        assert machine["final"] == names[-1]


def test_error_codes() -> None:
    content = load("errors.json")
    written = {entry["name"]: entry["code"] for entry in content["errorCodes"]}
    assert written == {code.name: code.value for code in errors.ErrorCode}
    for entry in content["ranges"]:
        assert not any(entry["from"] <= code <= entry["to"] for code in errors.ErrorCode)


def test_names_of_violations_and_rejections() -> None:
    content = load("errors.json")
    names = {
        kind: {entry["name"] for entry in content[kind]} for kind in ("violations", "rejections")
    }
    assert names["violations"] == {code.value for code in errors.ViolationCode}
    assert names["rejections"] == {code.value for code in errors.RejectionCode}


def test_limits() -> None:
    names = ("name", "unit", "appliesTo", "minimum", "maximum", "reference")
    written = [tuple(entry[name] for name in names) for entry in load("limits.json")["limits"]]
    assert written == [
        (row.name, row.unit, row.applies_to, row.minimum, row.maximum, row.default)
        for row in limits.LIMITS
    ]


def test_every_option_of_a_server_is_in_the_table() -> None:
    """`max_frame_octets` and `max_depth` are there under the names of what they limit."""
    named = {entry["name"].replace("-", "_") for entry in load("limits.json")["limits"]}
    named |= {"frame_octets", "outbound_octets"}
    for option in fields(limits.ServerLimits):
        assert option.name.removeprefix("max_") in named, option.name


def test_numbers_in_the_statements() -> None:
    for number in (
        limits.MIN_CLIENT_FRAME_OCTETS,
        limits.MAX_SERVER_FRAME_OCTETS,
        limits.MIN_OUTBOUND_OCTETS,
        limits.MIN_DEPTH,
        limits.MIN_CLIENTS,
        limits.MAX_USERNAME_CODE_POINTS,
        limits.MAX_USERNAME_OCTETS,
    ):
        assert re.search(rf"- \*\*\[[A-Z]+-\d+\].*\b{number:,}\b", SOURCE), number
    assert f"TCP port {limits.DEFAULT_PORT}" in SOURCE


def test_verbatim_texts_and_extensions() -> None:
    assert f"`{frames.JOIN_TEXT}`" in SOURCE
    assert f"`{frames.LEAVE_TEXT.format('').rstrip()}`" in SOURCE
    for extension in frames.EXTENSIONS:
        assert f"| `{extension}` | 11." in SOURCE


def test_diagrams_show_every_change_of_state_and_nothing_else() -> None:
    for role, svg in spec_diagrams.diagrams().items():
        shown = re.findall(r"<text x=[^>]*>([^<]+)</text>", svg)
        changes = [
            given.value
            for (owner, state, given), following in states.TRANSITIONS.items()
            if owner.value == role and state is not following
        ]
        assert sorted(shown) == sorted(changes)
