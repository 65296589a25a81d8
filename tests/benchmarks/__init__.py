"""Measurements, never judgments: `make bench` prints them beside raw SQL of the same minutes."""
