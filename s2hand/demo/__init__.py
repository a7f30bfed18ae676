"""The demo: trains on generated pictures without a label, and shows how far that goes."""

from s2hand.demo.demo import run_demo

__all__ = ["run_demo"]
