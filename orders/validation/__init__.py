"""What is checked of orders, by each channel's own settings (SalesChannel.checks)."""

from orders.problems import Problem
from orders.validation.examining import examine
from orders.validation.rerunning import rerun
from orders.validation.verdict import Finding, Verdict, Wanted

__all__ = ["Finding", "Problem", "Verdict", "Wanted", "examine", "rerun"]
