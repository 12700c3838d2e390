"""Settings: kinds of fields, configuration files, frozen dataclasses made of them."""
