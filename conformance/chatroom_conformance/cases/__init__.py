"""The cases, a module an area; importing a module registers its cases."""

from importlib import import_module

from ..registry import CASES, Case, RegistrationError
from ..vectors import vector_cases

AREAS = (
    "joining",
    "messages",
    "private",
    "leaving",
    "delivery",
    "framing",
    "kinds",
    "refusals",
    "rejections",
    "limits",
    "extensions",
    "violations",
    "closing",
    "tls",
    "robustness",
)


def load_cases() -> dict[str, Case]:
    """All cases: those of this folder, and one for each vector.

    Raises:
        RegistrationError: a case needs one that isn't there.
    """
    for area in AREAS:
        import_module(f"{__name__}.{area}")
    for found in vector_cases():
        CASES.setdefault(found.id, found)
    for found in CASES.values():
        for needed in found.needs:
            if needed not in CASES:
                raise RegistrationError(f"{found.id} needs {needed}, which is no case")
    return CASES
