"""Building blocks of the config's sections: documented fields and common types of values."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_COUNT = 1_000_000_000
"""More than any training counts; larger numbers are slips, and exceed what libraries can hold."""

Positive = Annotated[int, Field(ge=1, le=MAX_COUNT)]
PositiveFloat = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]

MAX_SEED = 2**53 - 1
"""The largest integer that all JSON readers represent exactly (RFC 8259)."""


def key(description: str, default=..., *, default_factory=None, **limits):
    """A documented field; lists are accepted for tuples, everything else is strictly typed."""
    if default_factory is not None:
        return Field(default_factory=default_factory, description=description, **limits)
    if isinstance(default, tuple):
        limits["strict"] = False
    return Field(default, description=description, **limits)


def list_key(description: str, default_factory):
    """A documented list with a default that follows from earlier keys."""
    return Field(default_factory=default_factory, description=description, strict=False)


class Section(BaseModel):
    """Strict, frozen, and without unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
