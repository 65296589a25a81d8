"""The demo company: plain data here, its rows are built by calling the real functions."""
