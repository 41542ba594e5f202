"""Load tests and microbenchmarks: every figure is compared with the floor measured in the same run."""
