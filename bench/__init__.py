"""The benchmarks: what the sandbox costs, side by side with what people know, as ratios."""
