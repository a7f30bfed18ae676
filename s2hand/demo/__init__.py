"""The demo: trains on generated images without labels, and shows the result."""

from s2hand.demo.demo import run_demo

__all__ = ["run_demo"]
