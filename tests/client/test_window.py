"""The window, real: under Xvfb, with xdotool's keys and mouse, against real servers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import tkinter as tk
from collections.abc import Callable, Iterator

import pytest

from chatroom_reference.client.colours import DARK, LIGHT, Palette
from chatroom_reference.client.session import Phase
from tests.client.support import (
    PATIENCE,
    Gui,
    OriginalServer,
    Person,
    RealServer,
    ScriptedServer,
    client_command,
    close_by_window_manager,
    message,
    need,
    set_desktop_resolution,
    wait_for,
    xvfb,
)

OpenWindow = Callable[..., Gui]
Join = Callable[[int, str], Person]


def chatting(open_window: OpenWindow, server: RealServer | OriginalServer, name: str) -> Gui:
    window = open_window(server.port, name)
    window.until_phase(Phase.CHATTING)
    window.until_seen()
    return window


def scripted_chat(
    open_window: OpenWindow, server: ScriptedServer, *extensions: str, palette: Palette = LIGHT
) -> Gui:
    window = open_window(server.port, "ada", palette)
    server.turn = window.turn
    server.welcome(*extensions)
    window.until_phase(Phase.CHATTING)
    window.until_seen()
    return window


def until_people(window: Gui, heading: str) -> None:
    window.until(lambda: window.window.people.heading.cget("text") == heading, heading)


def test_two_windows_talk_also_privately(gui: OpenWindow, server: RealServer) -> None:
    ada, ben = chatting(gui, server, "ada"), chatting(gui, server, "ben")
    both = (ada, ben)

    def turn_both() -> None:
        for window in both:
            window.turn()

    def until_both(text: str) -> None:
        wait_for(lambda: all(text in window.shown() for window in both), text, turn_both)

    ada.until_seen()
    ada.type("hello over there")
    ada.press("Return")
    until_both("ada  hello over there")
    ben.until_seen()
    ben.type("/msg ada psst")
    ben.press("Return")
    until_both("ben only to ada  psst")
    for window in both:
        # Own messages are shown once, and so are others'.
        assert window.shown().count("hello over there") == 1
        assert window.shown().count("psst") == 1
    assert ada.compose.entry.get() == ""


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_a_private_message_looks_different(
    gui: OpenWindow, scripted: ScriptedServer, palette: Palette
) -> None:
    window = scripted_chat(gui, scripted, palette=palette)
    scripted.send(message("ben", "for all"), message("ben", "for you", "ada"), message("ben", "x"))
    window.until_shown("ben  x")
    text = window.view.text
    at_public, at_private = text.search("for all", "1.0"), text.search("for you", "1.0")
    assert "private" in text.tag_names(at_private)
    assert "private" not in text.tag_names(at_public)
    # Words, and the background on the screen itself.
    assert "ben only to ada  for you" in window.shown()
    assert pixel(window, at_private) == palette.private
    assert pixel(window, at_public) == palette.field


def pixel(window: Gui, index: str) -> str:
    """Give the colour, as ``#rrggbb``, at the top left of the place of ``index``."""
    window.until(lambda: window.view.text.bbox(index), "the text to be seen")
    window.root.update()
    box = window.view.text.bbox(index)
    assert box
    x, y = window.view.text.winfo_rootx() + box[0], window.view.text.winfo_rooty() + box[1]
    command = [need("import"), "-display", window.display, "-window", "root"]
    shot = subprocess.run(
        [*command, "-crop", f"1x1+{x}+{y}", "-depth", "8", "rgb:-"],
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    return f"#{shot.stdout[:3].hex()}"


def test_reading_back_is_not_disturbed(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted)
    scripted.send(*(message("ben", f"line {number}") for number in range(100)))
    window.until_shown("line 99")
    assert not window.view.news.winfo_ismapped()
    window.press("Prior", "Prior")
    window.until(lambda: window.view.reading_back, "scrolling back")
    seen = window.view.text.get("@0,0", "@0,0 lineend")
    scripted.send(*(message("ben", f"news {number}") for number in range(3)))
    window.until_shown("news 2")
    assert window.view.text.get("@0,0", "@0,0 lineend") == seen
    assert window.view.news.winfo_ismapped()
    assert window.view.news.cget("text") == "↓ 3 new"
    window.click(window.view.news, 5, 5)
    window.until(lambda: not window.view.news.winfo_ismapped(), "the button to go")
    assert window.view.text.dlineinfo("end-1c")
    scripted.send(message("ben", "followed again"))
    window.until_shown("followed again")
    assert window.view.text.dlineinfo("end-1c")


def test_the_wheel_and_the_keys_of_the_entry_scroll(
    gui: OpenWindow, scripted: ScriptedServer
) -> None:
    window = scripted_chat(gui, scripted)
    scripted.send(*(message("ben", f"line {number}") for number in range(100)))
    window.until_shown("line 99")
    text = window.view.text
    middle = [str(text.winfo_rootx() + 50), str(text.winfo_rooty() + 50)]
    window.do("mousemove", *middle, "click", "4", "click", "4")
    window.until(lambda: window.view.reading_back, "the wheel")
    window.do("click", "5", "click", "5")
    window.until(lambda: not window.view.reading_back, "the wheel back")
    window.press("Prior")
    window.until(lambda: window.view.reading_back, "PgUp")
    window.press("Next", "Next")
    window.until(lambda: not window.view.reading_back, "PgDn")


def test_resizing_keeps_the_end_in_sight(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted)
    scripted.send(*(message("ben", f"{number} " + "word " * 30) for number in range(50)))
    window.until_shown("49 word")
    for size in ((640, 384), (1400, 900), (500, 300)):
        window.resize(*size)
        window.until(lambda: window.view.text.dlineinfo("end-1c"), f"the end at {size}")
        assert not window.view.reading_back


@pytest.mark.parametrize("dots_per_inch", [96, 192])
def test_every_widget_is_seen_at_every_size(
    gui: OpenWindow, server: RealServer, dots_per_inch: int
) -> None:
    window = gui(server.port, "ada", dots_per_inch=dots_per_inch)
    window.until_phase(Phase.CHATTING)
    window.until_seen()
    scale = dots_per_inch // 96
    main = window.window
    widgets = [
        main.messages.text,
        main.people.heading,
        main.people.list,
        main.compose.box,
        main.compose.entry,
        main.compose.send_button,
        main.status.disconnect,
    ]
    # 80 by 24 characters, the usual, the screen.
    for width, height in ((640, 384), (800, 540), (1920 // scale, 1080 // scale)):
        window.resize(width * scale, height * scale)
        window.root.update()
        for widget in widgets:
            assert widget.winfo_viewable(), widget
            assert widget.winfo_width() >= min(widget.winfo_reqwidth(), 40), widget
            assert widget.winfo_height() >= 12 * scale, widget
            right = widget.winfo_rootx() - window.root.winfo_rootx() + widget.winfo_width()
            bottom = widget.winfo_rooty() - window.root.winfo_rooty() + widget.winfo_height()
            assert right <= width * scale, widget
            assert bottom <= height * scale, widget
        assert main.messages.text.winfo_height() > height * scale * 0.6
        assert main.compose.entry.winfo_width() > width * scale * 0.4


def test_a_lost_connection_keeps_text_and_draft_and_comes_back(
    gui: OpenWindow, person: Join, mortal_server: RealServer
) -> None:
    server = mortal_server
    window = chatting(gui, server, "ada")
    window.send("before the crash")
    window.until_shown("before the crash")
    window.compose.entry.insert(0, "a draft")
    server.kill()
    window.until_phase(Phase.WAITING)
    window.until(lambda: "Trying again in" in window.window.status.words, "the countdown")
    words = window.window.status.words
    assert re.fullmatch(r"Not connected\. Trying again in [12] seconds?\.", words)
    window.until_shown("was lost.")
    assert window.window.status.reconnect.winfo_ismapped()
    window.press("Return")
    window.until(lambda: "no connection" in window.compose.reason.cget("text"), "the reason")
    assert window.compose.entry.get() == "a draft"
    server.start()
    window.press("alt+r")
    window.until_phase(Phase.CHATTING)
    assert "before the crash" in window.shown()
    assert not window.window.status.reconnect.winfo_ismapped()
    ben = person(server.port, "ben")
    window.press("Return")
    window.until(lambda: window.compose.entry.get() == "", "the entry to be empty")
    assert ben.hear("a draft").sender == "ada"
    server.ask_to_stop()
    window.until(lambda: window.gone, "the window to close with the server's disconnect")


def test_it_reconnects_by_itself(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted, "roster")
    scripted.send({"roster": ["ada", "ben"]})
    window.until(lambda: window.session.people.others == ["ben"], "the roster")
    scripted.drop()
    window.until_phase(Phase.WAITING)
    window.session.retry_at = time.monotonic()
    scripted.welcome()
    window.until_phase(Phase.CHATTING)
    until_people(window, "Seen (1)")


def test_a_taken_name_asks_for_another(gui: OpenWindow, server: RealServer, person: Join) -> None:
    ben = person(server.port, "ben")
    window = gui(server.port, "ben")
    window.until_phase(Phase.REFUSED)
    panel = window.window.name_panel
    window.until(panel.entry.winfo_viewable, "the question")
    assert "taken" in panel.reason.cget("text")
    panel.entry.focus_force()
    window.until(lambda: window.root.focus_get() is panel.entry, "the focus")
    window.type("bertie")
    window.press("Return")
    window.until_phase(Phase.CHATTING)
    window.until(window.compose.entry.winfo_viewable, "the entry")
    assert not panel.winfo_ismapped()
    assert ben.hear("User has connected").sender == "bertie"


def test_a_bad_name_asks_for_another(gui: OpenWindow, server: RealServer) -> None:
    window = gui(server.port, " spaced")
    window.until(window.window.name_panel.entry.winfo_viewable, "the question")
    assert "white space" in window.window.name_panel.reason.cget("text")
    window.window.name_panel.entry.delete(0, "end")
    window.window.name_panel.entry.insert(0, "unspaced")
    window.click(window.window.name_panel.button, 5, 5)
    window.until_phase(Phase.CHATTING)


def test_writing_by_keyboard_alone(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted)
    scripted.send(message("Benjamin", "hi"), message("Ann Lee", "hi"))
    window.until_shown("Ann Lee  hi")
    entry = window.compose.entry
    window.type("first")
    window.press("Return")
    assert scripted.receive()["message"] == "first"
    window.type("second")
    window.press("Return")
    assert scripted.receive()["message"] == "second"
    window.type("a draft")
    window.press("Up")
    window.until(lambda: entry.get() == "second", "Up")
    window.press("Up", "Up")
    window.until(lambda: entry.get() == "first", "Up again")
    window.press("Down", "Down")
    window.until(lambda: entry.get() == "a draft", "the draft")
    window.press("Escape")
    window.until(lambda: entry.get() == "", "Esc")
    window.press("Up")
    window.until(lambda: entry.get() == "a draft", "what Esc put away")
    window.press("Escape")
    window.type("ben")
    window.press("Tab")
    window.until(lambda: entry.get() == "Benjamin: ", "Tab")
    window.press("Escape")
    window.type("/msg ann")
    window.press("Tab")
    window.until(lambda: entry.get() == '/msg "Ann Lee" ', "Tab after /msg")
    window.type("lunch?")
    window.press("Return")
    assert scripted.receive() == {"message": "lunch?", "dm": "Ann Lee", "sender": "ada"}
    window.until_shown("ada only to Ann Lee  lunch?")
    assert window.compose.recipient is None


def test_choosing_a_recipient(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted, "roster")
    scripted.send({"roster": ["ada", "ben", "Everyone"]})
    people, box = window.window.people, window.compose.box
    window.until(lambda: people.list.size() == 3, "the list")
    assert people.heading.cget("text") == "People (3)"
    assert box.get() == "Everyone"
    index = window.session.people.names.index("ben")
    x, y, *_ = people.list.bbox(index) or (0, 0)
    window.click(people.list, x + 3, y + 3, times=2)
    window.until(lambda: box.get() == "ben", "the double click")
    assert window.compose._to.cget("text") == "Only to"
    window.until(lambda: window.root.focus_get() is window.compose.entry, "the focus")
    window.type("a word")
    window.press("Return")
    assert scripted.receive()["dm"] == "ben"
    scripted.send(message("ben", "ben is offline\n"))
    window.until_shown("ben left")
    # Who has left stays chosen: what is meant for one must not go to all.
    assert window.compose.recipient == "ben"
    window.press("Escape")
    window.until(lambda: box.get() == "Everyone", "Esc in an empty entry")
    window.type("/msg Everyone")
    window.press("Return")
    window.until(lambda: window.compose.recipient == "Everyone", "/msg NAME")
    assert box.get() == "Everyone (a user)"
    window.press("alt+t")
    window.until(lambda: window.root.focus_get() is box, "the box")
    window.press("Down")
    window.until(lambda: "popdown" in str(window.root.tk.call("focus")), "the box to open")
    window.press("Up", "Up", "Up", "Return")
    window.until(lambda: window.compose.recipient is None, "the box's keys")


def test_what_cannot_be_sent_stays(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted)
    window.send("x" * 5000)
    reason = window.compose.reason
    window.until(reason.winfo_viewable, "the reason")
    assert "4,096" in reason.cget("text")
    assert window.compose.entry.get() == "x" * 5000
    window.send("/nonsense")
    window.until(lambda: "no command /nonsense" in reason.cget("text"), "the reason")
    assert window.compose.entry.get() == "/nonsense"
    window.send("fine")
    window.until(lambda: not reason.winfo_ismapped(), "the reason to go")
    assert scripted.receive()["message"] == "fine"


def test_emoji_are_typed_over_whole(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted)
    window.compose.entry.insert(0, "\U0001f600\U0001f600 ad")
    window.compose.entry.icursor("end")
    window.press("BackSpace", "BackSpace", "BackSpace", "BackSpace")
    window.until(lambda: window.compose.entry.get() == "\U0001f600", "four characters less")
    window.press("b", "Home", "Right", "a", "Left", "Left", "Delete", "BackSpace", "Return")
    assert scripted.receive()["message"] == "ab"


def test_marking_and_copying(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted)
    scripted.send(message("ben", "copy these words"))
    window.until_shown("copy these words")
    text = window.view.text
    start = text.search("these", "1.0")
    window.until(lambda: text.bbox(start), "the text to be seen")
    x, y, _, height = text.bbox(start) or (0, 0, 0, 0)
    window.click(text, x + 3, y + height // 2, times=2)
    window.until(lambda: text.tag_ranges("sel"), "the selection")
    scripted.send(*(message("ben", f"more {number}") for number in range(60)))
    window.until_shown("more 59")
    assert text.get("sel.first", "sel.last") == "these"
    window.press("ctrl+c")
    window.until(lambda: window.root.clipboard_get() == "these", "the clipboard")
    # Nothing is edited here: a letter goes to where one writes.
    window.type("Q")
    window.until(lambda: window.compose.entry.get() == "Q", "the letter")
    window.until(lambda: window.root.focus_get() is window.compose.entry, "the focus")
    window.view.text.tag_remove("sel", "1.0", "end")
    window.press("alt+m")
    window.until(lambda: window.root.focus_get() is text, "the messages")
    window.press("ctrl+slash", "ctrl+c")
    everything = window.shown()
    window.until(lambda: window.root.clipboard_get().rstrip("\n") == everything, "all of it")


HOSTILE = (
    "\x1b[31mred\x1b[0m \x07\x00 \u202eover\u202c \u2066iso\u2069 \u2028line \x85 \r \x9b31m\n"
    '12:34\tadmin  forged\n{}[]$;" \\x41 {unbalanced [exec ls] %s \ufeff \U0010ffff zalgo'
    + "\u0301"
    * 200
)


def test_hostile_text_does_nothing(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted)
    scripted.send(
        message("ben", HOSTILE),
        message("\u202eneb\x1b[2J\n" + "n" * 5000, HOSTILE, "ada"),
        message("", HOSTILE, "ada"),
        message("{", "}{" * 50),
        message("  ", "a name of spaces"),
        message("ben", "\n" * 300),
        message("ben", "w" * 3000),
        {"message": 5, "sender": [], "dm": {}},
        message("ben", "the end"),
    )
    window.until_shown("ben  the end")
    shown = window.shown()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]", shown)
    assert "‹U+001B›[31mred" in shown
    assert "‹U+202E›over" in shown
    assert "‹U+202E›neb‹U+001B›[2J‹U+000A›" in shown
    assert "(2 spaces)" in shown
    # A forged line stands indented under the text that it belongs to.
    forged = window.view.text.search("12:34    admin", "1.0")
    assert "body" in window.view.text.tag_names(forged)
    assert "clock" not in window.view.text.tag_names(forged)
    until_people(window, "Seen (5)")
    # Names in the list, the box and the title are as harmless.
    offered = [str(each) for each in window.compose.box.cget("values")]
    listed = [str(each) for each in window.window.people.list.get(0, "end")]
    for each in (*offered, *listed):
        assert each.isprintable(), each
        assert len(each) < 100, each


def test_a_long_message_is_shortened_until_asked(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted)
    long = " ".join(f"word{number}" for number in range(8000))[:65000] + " endoftext"
    scripted.send(message("ben", long), message("ben", long), message("ben", "after"))
    window.until_shown("after")
    assert len(window.shown()) < 10_000
    assert "show all" in window.shown()
    text = window.view.text
    at = text.search("show all", "1.0")
    text.see(at)
    window.until(lambda: text.bbox(at), "the words to be seen")
    x, y, *_ = text.bbox(at) or (0, 0)
    window.click(text, x + 4, y + 4)
    window.until(lambda: "endoftext" in window.shown(), "all of it")
    assert long in window.shown()
    window.press("alt+a")
    window.until(lambda: window.shown().count(long) == 2, "the other, by keyboard")
    assert "show all" not in window.shown()


def test_five_thousand_lines_are_kept(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted)
    for start in range(0, 6000, 500):
        scripted.send(
            *(message("ben", f"line {number}\nsecond") for number in range(start, start + 500))
        )
    window.until_shown("line 5999")
    kept = re.findall(r"line (\d+)", window.shown())
    assert kept == [str(number) for number in range(1000, 6000)]
    assert len(window.lines()) == 10_000


def test_a_burst_is_shown_and_keys_come_through(gui: OpenWindow, scripted: ScriptedServer) -> None:
    window = scripted_chat(gui, scripted)
    scripted.send(*(message("ben", f"burst {number}") for number in range(2000)))
    window.until_shown("burst 0")
    window.press("k")
    window.until(lambda: window.compose.entry.get() == "k", "the key")
    window.until_shown("burst 1999")
    assert re.findall(r"burst (\d+)", window.shown()) == [str(number) for number in range(2000)]


def test_unread_messages_are_counted_in_the_title(
    gui: OpenWindow, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = scripted_chat(gui, scripted)
    rung: list[bool] = []
    monkeypatch.setattr(window.root, "bell", lambda: rung.append(True))
    scripted.send(message("ben", "while looking"))
    window.until_shown("while looking")
    assert window.root.title() == "ada – ChatRoom"
    elsewhere = tk.Tk(screenName=window.display)
    elsewhere.update()
    elsewhere.focus_force()
    elsewhere.update()
    window.until(lambda: not window.window._has_focus(), "the focus to be elsewhere")
    scripted.send(
        message("ben", "User has connected"), message("ben", "one"), message("ben", "two", "ada")
    )
    window.until_shown("two")
    window.until(lambda: window.root.title() == "(2) ada – ChatRoom", "the count")
    assert rung == [True]
    elsewhere.destroy()
    window.until_seen()
    window.until(lambda: window.root.title() == "ada – ChatRoom", "the count to go")


@pytest.mark.parametrize("way", ["button", "/quit", "alt+d"])
def test_the_ways_to_leave(gui: OpenWindow, server: RealServer, person: Join, way: str) -> None:
    window = chatting(gui, server, "ada")
    ben = person(server.port, "ben")
    started = time.monotonic()
    if way == "button":
        window.click(window.window.status.disconnect, 5, 5)
    elif way == "/quit":
        window.type("/quit")
        window.press("Return")
    else:
        window.press("alt+d")
    window.until(lambda: window.gone, "the window to close")
    assert time.monotonic() - started < 3
    assert window.session.failure is None
    ben.hear("ada is offline\n")


def test_an_original_server(gui: OpenWindow, original: OriginalServer) -> None:
    ada, ben = chatting(gui, original, "ada"), chatting(gui, original, "ben")
    ada.until_shown("ben joined")
    ben.send("hello, ada")
    ada.until_shown("ben  hello, ada")
    ada.send("/msg ben only you")
    ben.until_shown("ada only to ben  only you")
    assert re.fullmatch(r"\d\d:\d\d\tada only to ben  only you", ben.lines()[-1])
    until_people(ada, "Seen (2)")
    # What the original drops is shown all the same, since this window said it.
    ada.send("/msg ada a note")
    ada.until_shown("ada only to ada  a note")
    third = gui(original.port, "ada")
    third.until_phase(Phase.REFUSED)
    ben.close()
    ada.until_shown("ben left")
    until_people(ada, "Seen (1)")
    assert {"disconnect": True, "sender": "ben"} in original.received
    assert all("extensions" in frame for frame in original.received if "username" in frame)


# In a process of its own.


@pytest.fixture
def process(display: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(port: int, name: str, *options: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                client_command(port, name, *options),
                env={**os.environ, "DISPLAY": display},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate()


def find_window(display: str, title: str) -> int:
    found = subprocess.run(
        [need("xdotool"), "search", "--sync", "--onlyvisible", "--name", title],
        env={**os.environ, "DISPLAY": display},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return int(found.stdout.split()[0])


@pytest.mark.parametrize("way", ["window manager", "SIGTERM", "SIGINT"])
def test_closing_from_outside_is_one_orderly_leave(
    display: str,
    server: RealServer,
    person: Join,
    process: Callable[..., subprocess.Popen[str]],
    way: str,
) -> None:
    ben, chloe = person(server.port, "ben"), person(server.port, "chloe")
    client = process(server.port, "outsider")
    ben.hear_until(lambda: any(each.sender == "outsider" for each in ben.heard))
    window = find_window(display, "outsider")
    started = time.monotonic()
    if way == "window manager":
        close_by_window_manager(display, window)
    else:
        client.send_signal(getattr(signal, way))
    ben.hear("outsider is offline\n")
    out, err = client.communicate(timeout=PATIENCE)
    assert time.monotonic() - started < 3
    assert (client.returncode, out, err) == (0, "", "")
    chloe.say("fence")
    ben.hear("fence")
    assert ben.leaves_of("outsider") == 1


def test_nobody_listening_opens_no_window(process: Callable[..., subprocess.Popen[str]]) -> None:
    client = process(1, "ada")
    _, err = client.communicate(timeout=PATIENCE)
    sentence = "Nobody is listening at 127.0.0.1:1; is the server running?"
    assert (client.returncode, err) == (1, f"chatroom-ref-client: {sentence}\n")


def test_giving_up_on_a_name_is_a_failure(
    display: str, server: RealServer, person: Join, process: Callable[..., subprocess.Popen[str]]
) -> None:
    person(server.port, "twin")
    client = process(server.port, "twin")
    close_by_window_manager(display, find_window(display, "twin"))
    _, err = client.communicate(timeout=PATIENCE)
    assert client.returncode == 1
    assert re.fullmatch(r'chatroom-ref-client: The name "twin" is taken at [^\n]+\n', err)


def test_the_servers_disconnect_closes_the_window(
    scripted: ScriptedServer, process: Callable[..., subprocess.Popen[str]]
) -> None:
    client = process(scripted.port, "ada", "--theme", "dark", "--no-emoji")
    scripted.welcome()
    scripted.send(message("", "Good night.\n", "ada"), {"disconnect": True})
    _, err = client.communicate(timeout=PATIENCE)
    assert client.returncode == 0
    assert err == "The server ended the session. Its last notice: Good night.\n"


def resolution_taken(display: str) -> float:
    """Give the dots an inch that the client works with, asked in a process of its own."""
    code = (
        "from chatroom_reference.client.look import open_root; "
        "print(open_root().winfo_fpixels('1i'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DISPLAY": display},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return float(done.stdout)


def test_the_desktops_resolution_is_taken() -> None:
    # The last program that goes would reset the display, and the property with it.
    with xvfb("-dpi", "96", "-noreset") as display:
        assert resolution_taken(display) == pytest.approx(96, rel=0.02)
        set_desktop_resolution(display, 192)
        assert resolution_taken(display) == pytest.approx(192, rel=0.02)
    with xvfb("-dpi", "192", "-noreset") as display:
        assert resolution_taken(display) == pytest.approx(192, rel=0.02)


def test_without_a_display(server: RealServer) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    done = subprocess.run(
        client_command(server.port, "ada"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "use --console" in done.stderr
    assert done.stderr.count("\n") == 1
