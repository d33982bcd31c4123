"""The test vectors keep their format, and the package does with each what it says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator

from chatroom_protocol.errors import ProtocolViolation
from chatroom_protocol.framing import JSONObject
from tests.spec import vector_player
from tests.spec.documents import load, schema
from tests.spec.vector_player import CUTS, ENDS, NAMES, Onlooker, Vector
from tools.spec_document import SPEC

VECTORS = vector_player.vectors()
README = (SPEC / "vectors" / "README.md").read_text(encoding="utf-8")
FORMAT = Draft202012Validator(load("vectors.schema.json"))
ERRORS = {"reject", "refuse", "violation", "drop"}
# What a rejection or a refusal says is wrong, and the schema that has to say so as well.
REJECTED_BY = {
    "bad-message": "client-message",
    "bad-dm": "client-message",
    "bad-disconnect": "client-disconnect",
    "bad-ping": "client-ping",
}
# No schema counts octets, knows what NFC is, or finds that a name is taken.
NOT_FOR_SCHEMAS = {"NAME-3", "NAME-4", "JOIN-4"}
SERVER_KINDS = (
    ("isConnected", "join-response"),
    ("disconnect", "disconnect"),
    ("message", "message"),
    ("roster", "roster"),
    ("ping", "ping"),
    ("pong", "pong"),
)

each = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)


def of(receiver: str) -> pytest.MarkDecorator:
    chosen = [vector for vector in VECTORS if vector.receiver == receiver]
    return pytest.mark.parametrize("vector", chosen, ids=lambda vector: vector.id)


# ------------------------------------------------------------------ the files


@pytest.mark.parametrize("name", vector_player.files())
def test_a_file_has_the_format(name: str) -> None:
    content = vector_player.files()[name]
    FORMAT.validate(content)
    assert name.startswith(f"{content['receiver']}-")


@pytest.mark.parametrize(
    "broken",
    [
        {"class": "good"},
        {"state": "deciding"},
        {"input": [5]},
        {"input": [{"text": "a", "hex": "61"}]},
        {"input": [{"hex": "6"}]},
        {"cut": "pieces", "input": "a"},
        {"events": [{"event": "message", "message": "hi"}]},
        {"events": [{"event": "show"}]},
        {"allowed": []},
        {"allowed": [[]]},
        {"allowed": [[{"do": "shrug"}]]},
        {"allowed": [[{"do": "relay", "message": "hi"}]]},
        {"requirements": []},
        {"requirements": ["JOIN"]},
        {"flags": ["odd"]},
        {"reason": "two\nlines."},
        {"note": "a member that nobody knows"},
    ],
    ids=str,
)
def test_the_schema_of_the_format_refuses(broken: JSONObject) -> None:
    good = VECTORS[0].members
    receiver = VECTORS[0].receiver
    file = {"format": 1, "receiver": receiver, "title": "one", "vectors": [good]}
    assert FORMAT.is_valid(file)
    assert not FORMAT.is_valid({**file, "vectors": [{**good, **broken}]})


def test_there_are_many() -> None:
    assert len(VECTORS) >= 250
    assert set(Counter(vector["class"] for vector in VECTORS)) == {"valid", "invalid", "doubtful"}


def test_every_violation_and_every_state_has_vectors() -> None:
    codes = {e["code"] for v in VECTORS for e in v["events"] if e["event"] == "violation"}
    assert codes == set(FORMAT.schema["$defs"]["violation-name"]["enum"])
    assert {(vector.receiver, vector["state"]) for vector in VECTORS} == {
        *(("server", state) for state in ("waiting", "joined")),
        *(("client", state) for state in ("idle", "joining", "joined", "leaving")),
    }


def test_ids_are_unique() -> None:
    twice = [name for name, times in Counter(v.id for v in VECTORS).items() if times > 1]
    assert not twice


def test_no_two_vectors_are_the_same() -> None:
    seen: dict[str, str] = {}
    for vector in VECTORS:
        parts = [vector.receiver, vector["state"], vector.granted, vector["input"]]
        key = json.dumps([*parts, vector.members.get("cut"), vector.members.get("end")])
        assert key not in seen, f"{vector.id} is {seen[key]}"
        seen[key] = vector.id


def test_requirements_exist() -> None:
    known = {entry["id"] for entry in load("requirements.json")["requirements"]}
    assert {name for vector in VECTORS for name in vector["requirements"]} <= known


def test_the_first_requirement_binds_the_receiver() -> None:
    roles = {entry["id"]: entry["role"] for entry in load("requirements.json")["requirements"]}
    assert not [
        vector.id
        for vector in VECTORS
        if roles[vector["requirements"][0]] not in (vector.receiver, "both")
    ]


def test_the_files_are_ascii() -> None:
    for path in (SPEC / "vectors").iterdir():
        assert path.read_bytes().isascii(), f"{path.name} has characters that can't be seen"


# ------------------------------------------------------------------ a vector agrees with itself


def test_the_class_follows_from_what_is_allowed() -> None:
    classes = {(False,): "valid", (True,): "invalid", (False, True): "doubtful"}
    for vector in VECTORS:
        faulty = {any(step["do"] in ERRORS for step in course) for course in vector["allowed"]}
        assert vector["class"] == classes[tuple(sorted(faulty))], vector.id


def test_a_course_goes_on_until_its_end() -> None:
    for vector in VECTORS:
        for course in vector["allowed"]:
            words = [step["do"] for step in course]
            assert not set(words[:-1]) & set(ENDS), f"{vector.id} goes on behind the end"
            assert "ignore" not in words or words == ["ignore"], vector.id
            assert not vector.members.get("end") or words[-1] in ENDS, vector.id


def test_flags_tell_the_truth() -> None:
    for vector in VECTORS:
        flags = vector.members.get("flags", ())
        whole = b"".join(vector_player.pieces(vector["input"]))
        assert ("large" in flags) == (len(whole.removesuffix(b"\n")) > 4096), vector.id
        assert ("extension" in flags) == bool(vector.granted), vector.id


# ------------------------------------------------------------------ the package


@each
def test_the_package_reports_just_these_events(vector: Vector) -> None:
    expected = vector_player.expected_events(vector)
    reported = [vector_player.play(vector, cut) for cut in CUTS]
    assert reported[1:] == reported[:-1], "the same octets, cut otherwise, give other events"
    for event, wanted in zip(reported[0], expected, strict=True):
        assert {**event, **wanted} == event


def test_a_bare_decoder_finds_as_many_objects() -> None:
    for vector in VECTORS:
        found = vector_player.decoded(vector, vector.members.get("cut", "one"))
        assert sum(isinstance(item, dict) for item in found) == vector["objects"], vector.id
        assert not any(isinstance(item, ProtocolViolation) for item in found[:-1]), vector.id


@of("server")
def test_a_room_does_what_is_allowed(vector: Vector) -> None:
    onlooker = Onlooker(vector)
    seen = onlooker.play(vector, vector.members.get("cut", "one"))
    courses = [vector_player.course_as_seen(vector, course) for course in vector["allowed"]]
    assert seen in courses
    assert onlooker.room.usernames[0] == NAMES["other"]
    if seen.closed:
        assert len(onlooker.room.usernames) == 1
    else:
        assert onlooker.serves("self", "other", "fence")
        assert onlooker.serves("other", "self", "and back")


@of("client")
def test_a_client_does_what_is_allowed(vector: Vector) -> None:
    done, closed = vector_player.client_reactions(vector, vector.members.get("cut", "one"))
    allowed = [vector_player.course_of_client(course) for course in vector["allowed"]]
    assert done in allowed
    course = vector["allowed"][allowed.index(done)]
    assert closed == (course[-1]["do"] in ENDS)


# ------------------------------------------------------------------ the schemas


def objects(vector: Vector) -> list[JSONObject]:
    return [item for item in vector_player.decoded(vector, "one") if isinstance(item, dict)]


def kind_of_client_frame(members: JSONObject, joined: bool, granted: tuple[str, ...]) -> str | None:
    """The schema for what a client frame claims to be, by the order of precedence."""
    if not joined:
        return "client-join"
    extensions = ("ping", "pong") if "ping" in granted else ()
    for name in ("disconnect", "message", *extensions):
        if name in members:
            wrong_pong = name == "pong" and not schema("client-pong").is_valid(members)
            return None if wrong_pong else f"client-{name}"
    return None


def test_the_schemas_agree_about_client_frames() -> None:
    """An accepted frame validates; one that is rejected or refused for a member does not."""
    checked = 0
    for vector in VECTORS:
        if vector.receiver == "server":
            checked += sum(1 for _ in hold_against_schemas(vector))
    assert checked > 250


def hold_against_schemas(vector: Vector) -> Iterator[str]:
    events = [event for event in vector["events"] if event["event"] not in ("end", "violation")]
    joined = vector["state"] == "joined"
    for members in objects(vector):
        kind = kind_of_client_frame(members, joined, vector.granted)
        if kind is None or not events:
            continue  # ignored, or discarded
        event = events.pop(0)
        valid = schema(kind).is_valid(members)
        if event["event"] in ("refusal", "rejection"):
            assert kind == REJECTED_BY.get(event["code"], "client-join"), vector.id
            assert not valid or NOT_FOR_SCHEMAS & set(vector["requirements"]), vector.id
        else:
            assert valid, vector.id
            assert kind == f"client-{event['event']}", vector.id
        joined = True
        yield kind
    assert not events or vector["objects"] == 0, vector.id


def test_what_a_server_may_send_is_taken() -> None:
    """A frame that its schema accepts is taken; one that a client drops has a fault there, too."""
    checked = 0
    for vector in VECTORS:
        if vector.receiver == "client" and vector["state"] == "joined":
            checked += sum(1 for _ in hold_server_frames_against_schemas(vector))
    assert checked > 50


def hold_server_frames_against_schemas(vector: Vector) -> Iterator[str]:
    taken = {event["event"] for event in vector["events"]}
    drops = any(step["do"] == "drop" for course in vector["allowed"] for step in course)
    for members in objects(vector):
        kind = next((kind for name, kind in SERVER_KINDS if name in members), "")
        needed = {"roster": "roster", "ping": "ping", "pong": "ping"}.get(kind)
        if kind in ("", "join-response") or (needed and needed not in vector.granted):
            continue  # ignored
        valid = schema(f"server-{kind}").is_valid(members)
        assert not valid or kind in taken, f"{vector.id}: a good frame gives no event"
        assert kind in taken or drops, vector.id
        yield kind


# ------------------------------------------------------------------ the README


def test_the_readme_names_every_word_of_the_format() -> None:
    words = re.findall(r'"(?:enum|const)": (\[[^]]*\]|"[^"]*")', json.dumps(FORMAT.schema))
    values = {word for found in words for word in re.findall(r'"([a-z-]+)"', found)}
    values -= {entry["name"] for entry in named_errors()}
    missing = {value for value in values if not re.search(rf'[`"]{value}[`"]', README)}
    assert not missing


def named_errors() -> list[dict[str, str]]:
    errors = load("errors.json")
    return [*errors["violations"], *errors["rejections"]]


def test_the_schema_knows_every_name_of_an_error() -> None:
    assert {entry["name"] for entry in named_errors()} == {
        *FORMAT.schema["$defs"]["violation-name"]["enum"],
        *FORMAT.schema["$defs"]["rejection-name"]["enum"],
    }


def test_the_readme_describes_every_member() -> None:
    members = {
        *FORMAT.schema["properties"],
        *FORMAT.schema["$defs"]["vector"]["properties"],
        *FORMAT.schema["$defs"]["piece"]["oneOf"][1]["properties"],
    }
    assert not {name for name in members if f"`{name}`" not in README}
