"""The chat templates, one `.jinja` an adapter; the file name is the adapter name."""
