"""The two fixed benchmarks: SynthHand, which knows the truth, and photos, which are real."""
