"""Brings the generated parts of spec/ up to date and renders the document as one HTML page.

The page stands alone: style and diagrams are inside, and it needs no script. Every heading and
every requirement has an anchor, and every mention of a requirement or a section links to it.
"""

from __future__ import annotations

import re
import sys
from html import escape, unescape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tools import spec_update
from tools.spec_document import DOCUMENT, SPEC, statements

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "build" / "chatroom-protocol.html"
_STYLE = Path(__file__).resolve().parent / "spec_page.css"

_NUMBER = re.compile(r"(?:Appendix )?([0-9A-D](?:[0-9.]*[0-9])?)\b")
_SECTION = r"[0-9A-D](?:[0-9.]*[0-9])?"
_MENTION = re.compile(
    r"\b(?P<id>[A-Z]+-[1-9][0-9]*)\b"
    rf"|\b(?P<sections>(?:Sections? |Appendix ){_SECTION}(?:(?:,| and| to) {_SECTION})*)\b"
)
_ONE_SECTION = re.compile(rf"(?:(?:Section|Appendix) )?\b({_SECTION})")
_LABEL = re.compile(r"\[([A-Z]+-[1-9][0-9]*)\]")


def render(source: str) -> str:
    """Give the page for the text of the document."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = [token for token in markdown.parse(source) if token.type != "html_block"]
    known = {statement.id for statement in statements(source)}
    anchors = _anchor_headings(tokens)
    for token in tokens:
        if token.type == "inline" and token.children:
            token.children = _linked(token.children, known, set(anchors))
    for token in tokens:
        if token.type == "fence":
            token.type, token.content = "html_block", _fence(token)
    body = markdown.renderer.render(tokens, markdown.options, {})
    title = unescape(re.sub(r"<[^>]+>", "", body.partition("</h1>")[0])).strip()
    return _PAGE.format(
        title=escape(title),
        style=_STYLE.read_text(encoding="utf-8"),
        contents=_contents(tokens),
        body=_wrap_tables(body),
    )


def _anchor_headings(tokens: list[Token]) -> dict[str, str]:
    """Give every numbered heading the id `section-NUMBER`; return number -> text."""
    found = {}
    for opening, inline in pairwise(tokens):
        match = _NUMBER.match(inline.content) if opening.type == "heading_open" else None
        if match:
            opening.attrSet("id", f"section-{match[1]}")
            found[match[1]] = inline.content
    return found


def _linked(children: list[Token], known: set[str], sections: set[str]) -> list[Token]:
    """Turn labels into anchors and mentions into links, outside code and existing links."""
    result: list[Token] = []
    for place, child in enumerate(children):
        if child.type == "image":
            result.append(_html(_diagram(str(child.attrGet("src")))))
        elif child.type != "text":
            result.append(child)
        elif (
            place and children[place - 1].type == "strong_open" and _LABEL.fullmatch(child.content)
        ):
            label = child.content[1:-1]
            result.append(_html(f'<a class="label" id="{label}" href="#{label}">{label}</a>'))
        else:
            result.append(_html(_link_text(child.content, known, sections)))
    return result


def _html(text: str) -> Token:
    return Token("html_inline", "", 0, content=text)


def _link_text(text: str, known: set[str], sections: set[str]) -> str:
    def link_section(match: re.Match[str]) -> str:
        if match[1] in sections:
            return f'<a href="#section-{match[1]}">{match[0]}</a>'
        return match[0]

    def link(match: re.Match[str]) -> str:
        if match["id"] in known:
            return f'<a class="id" href="#{match["id"]}">{match[0]}</a>'
        return match[0] if match["id"] else _ONE_SECTION.sub(link_section, match[0])

    return _MENTION.sub(link, escape(text, quote=False))


def _diagram(name: str) -> str:
    return (SPEC / name).read_text(encoding="utf-8")


def _contents(tokens: list[Token]) -> str:
    lines = []
    for opening, inline in pairwise(tokens):
        anchor = opening.attrGet("id") if opening.type == "heading_open" else None
        if anchor:
            text = escape(inline.content.replace("`", ""), quote=False)
            lines.append(f'<li class="{opening.tag}"><a href="#{anchor}">{text}</a></li>')
    return "\n".join(lines)


def _fence(token: Token) -> str:
    """A block of frames is wrapped where it is too wide; any other keeps its lines."""
    if not token.info.startswith(("session", "json")):
        return f"<pre><code>{escape(token.content, quote=False)}</code></pre>\n"
    lines = escape(token.content, quote=False).splitlines()
    spans = "".join(f"<span>{line}\n</span>" for line in lines)
    return f'<pre class="frames"><code>{spans}</code></pre>\n'


def _wrap_tables(body: str) -> str:
    """Let a table that is wider than the screen scroll by itself."""
    return body.replace("<table>", '<div class="scroll"><table>').replace(
        "</table>", "</table></div>"
    )


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<nav class="folded"><details><summary>Contents</summary><ul>
{contents}
</ul></details></nav>
<nav class="beside" aria-label="Contents"><ul>
{contents}
</ul></nav>
<main>
{body}</main>
</body>
</html>
"""


def main() -> int:
    """Write build/chatroom-protocol.html; exit status 1 with a sentence where that can't be."""
    if spec_update.main([]):
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"The specification: {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
