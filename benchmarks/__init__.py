"""Load and micro benchmarks: every figure beside the floor that was measured in the same run."""
