"""Fixtures in the place of those of `tests/conftest.py`, which start engines."""

import msgspec
import pytest

from app.settings import Settings, load


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Settings that start, without an engine behind them."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    return load(dict.fromkeys(required, "x" * 32))
