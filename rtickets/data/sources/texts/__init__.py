"""Sources of texts, see `rtickets.data.sources.texts.registry`."""
