"""Git as a typed interface: one factory for its processes, parsers for its porcelain, no English read."""
