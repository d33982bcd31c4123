"""Odd."""
from attrs import frozen
@frozen
class Odd:
    name: str
ODD: dict[str, Odd] = {}
