"""All faults, a module a part of the specification."""

from __future__ import annotations

from ..fault import Fault
from . import extensions, json_texts, names, people, talk, wire

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in (wire, json_texts, names, people, talk, extensions)
    for fault in module.FAULTS
}
