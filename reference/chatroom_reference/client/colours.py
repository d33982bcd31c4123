"""Palettes, contrast, and a stable colour for each sender."""

from __future__ import annotations

import colorsys
import functools
import zlib

from attrs import frozen

MIN_CONTRAST = 4.5
"""What WCAG 2 asks of text (level AA)."""

_HUES = 24


@frozen
class Palette:
    """The colours of a theme, each ``#rrggbb``."""

    name: str
    window: str
    field: str
    text: str
    muted: str
    border: str
    button: str
    button_active: str
    accent: str
    accent_active: str
    accent_text: str
    private: str
    selection: str
    selection_text: str
    good: str
    busy: str
    bad: str


LIGHT = Palette(
    name="light",
    window="#eef0f3",
    field="#ffffff",
    text="#1d2129",
    muted="#5c6470",
    border="#c5cad3",
    button="#fbfcfd",
    button_active="#e2e6ec",
    accent="#2459c4",
    accent_active="#1c4aa6",
    accent_text="#ffffff",
    private="#fdf0d2",
    selection="#bcd4ff",
    selection_text="#10141b",
    good="#1a7a3c",
    busy="#8a5a00",
    bad="#b3261e",
)
DARK = Palette(
    name="dark",
    window="#1b1e24",
    field="#23272f",
    text="#e6e9ee",
    muted="#a3abb8",
    border="#3d434f",
    button="#2f343e",
    button_active="#3b424f",
    accent="#8ab4ff",
    accent_active="#a9c7ff",
    accent_text="#10182a",
    private="#40361f",
    selection="#3a5588",
    selection_text="#ffffff",
    good="#6fd08c",
    busy="#e8bd5a",
    bad="#ff9b91",
)
PALETTES = {palette.name: palette for palette in (LIGHT, DARK)}


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of two ``#rrggbb`` colours, 1 to 21, as WCAG 2 defines it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def hue_of(name: str) -> int:
    """Give a name's place on the colour wheel: the same in every run, and on every machine."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % _HUES


def sender_colour(name: str, palette: Palette) -> str:
    """Give a sender's ``#rrggbb``, of contrast 4.5 or more on all that it is written on."""
    return _colour_of_hue(hue_of(name), palette)


@functools.cache
def _colour_of_hue(hue: int, palette: Palette) -> str:
    towards_white = _luminance(palette.field) < 0.5
    for step in range(100):
        lightness = 0.45 + step * 0.005 if towards_white else 0.45 - step * 0.004
        colour = _hex(colorsys.hls_to_rgb(hue / _HUES, lightness, 0.72))
        # A little more than asked for: rounding to eight bits must not fall below.
        if all(contrast(colour, behind) > MIN_CONTRAST + 0.1 for behind in _grounds(palette)):
            return colour
    return palette.text


def _grounds(palette: Palette) -> tuple[str, ...]:
    return (palette.field, palette.private)


def _hex(rgb: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in rgb)
