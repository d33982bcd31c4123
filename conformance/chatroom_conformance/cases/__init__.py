"""The cases, a module an area; importing a module registers its cases."""

from importlib import import_module

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


def load() -> None:
    """Register all cases."""
    for area in AREAS:
        import_module(f"{__name__}.{area}")
