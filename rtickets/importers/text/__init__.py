"""Encoders of text of other projects, see `rtickets.importers.text.importer`."""
