"""What the sections of an experiment's keys are made of: documented fields and common kinds of values."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def key(description: str, default=..., *, default_factory=None, **limits):
    """A documented field; lists are accepted for tuples, everything else is strictly typed."""
    if default_factory is not None:
        return Field(default_factory=default_factory, description=description, **limits)
    if isinstance(default, tuple):
        limits["strict"] = False
    return Field(default, description=description, **limits)


def list_key(description: str, default_factory):
    """A documented list whose default follows from keys before it."""
    return Field(default_factory=default_factory, description=description, strict=False)


class Section(BaseModel):
    """Strict, frozen, and closed to unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
