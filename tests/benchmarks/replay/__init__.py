"""Days of orders replayed under several ways to route them: python -m tests.benchmarks.replay."""
