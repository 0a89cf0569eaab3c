"""Shops around our pages."""

from pathlib import Path

import pytest

import backorders


@pytest.fixture
def plain_host(settings):
    """A shop that overrides no template and has no context processors: our pages as they come."""
    engine = settings.TEMPLATES[0]
    own = Path(backorders.__file__).parent / "templates"
    settings.TEMPLATES = [engine | {"DIRS": [own], "OPTIONS": {"context_processors": []}}]
