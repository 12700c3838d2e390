"""Run folders: one per stage and configuration, their state and their workers."""
