"""The plan: Markdown to records and back, its quality, its optimisation, and its way into the state. Pure."""
