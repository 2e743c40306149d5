"""Pull requests on a forge: one port, an adapter for each (spec §6.5)."""
