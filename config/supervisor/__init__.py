"""Runs the whole product on one machine: servers, preparation, programs, and their orderly end.

For one machine and one person; a deployment starts the same programs from its own supervisor.
"""
