"""The trusted side: it reads candidates as text, asks the oracle for numbers, and judges the numbers."""

__version__ = "0.1.0"
