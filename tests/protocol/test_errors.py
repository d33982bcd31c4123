"""The codes of failures: numbers and names that others rely on."""

from __future__ import annotations

from chatroom_protocol import ErrorCode, LocalProtocolError, RejectionCode, ViolationCode


def test_error_codes_have_the_numbers_of_the_registry() -> None:
    assert {code.name: int(code) for code in ErrorCode} == {
        "ACCEPTED": -1,
        "USERNAME_TAKEN": 1,
        "SERVER_FULL": 2,
        "BAD_USERNAME": 3,
        "NOT_A_JOIN": 4,
        "JOIN_TIMEOUT": 5,
    }


def test_violations_and_rejections_have_the_names_of_the_registry() -> None:
    assert {code.value for code in ViolationCode} == {
        "not-json",
        "not-utf-8",
        "not-an-object",
        "too-large",
        "too-deep",
        "duplicate-name",
        "number-out-of-range",
        "lone-surrogate",
    }
    assert {code.value for code in RejectionCode} == {
        "bad-message",
        "bad-dm",
        "unknown-addressee",
        "message-too-long",
        "bad-disconnect",
        "bad-ping",
    }


def test_misuse_is_no_value_error_that_a_parser_might_swallow() -> None:
    assert not issubclass(LocalProtocolError, ValueError)
