"""Metrics of a network or a submission, submissions, records of runs and their comparison."""
