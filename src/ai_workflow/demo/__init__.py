"""The demonstration: a small program, a plan for it, and the script of an agent that carries the plan out."""
