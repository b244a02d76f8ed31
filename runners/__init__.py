"""The built-in runners: one flat module per workload that llmstats can launch."""
