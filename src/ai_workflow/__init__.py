"""File-based workflow orchestrator for repositories in which AI coding agents do the work."""

__version__ = "0.2.0"
