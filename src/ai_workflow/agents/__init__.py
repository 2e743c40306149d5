"""Coding agents that aiw can hand a prompt to."""
