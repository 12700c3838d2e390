"""Images: read, resized and changed, on the host and on the device."""
