"""What tests of several rooms share: made-up datasets, weights by rule, processes."""
