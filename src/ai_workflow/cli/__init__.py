"""The command line: each command parses, calls one service, prints its result. Nothing is decided here."""
