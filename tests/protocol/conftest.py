"""Hypothesis profiles: ``quick`` unless ``--hypothesis-profile=deep`` asks for fifty times it.

``quick`` draws the same examples in every run, so the gate never fails by chance; ``deep`` draws
new ones.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

settings.register_profile(
    "quick",
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=_SLOW,
)
settings.register_profile(
    "deep",
    max_examples=6000,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=_SLOW,
    print_blob=True,
)
settings.load_profile("quick")
