"""Optimisation: the step, the schedule, averaged weights, and what a training reports."""
