"""Where the bytes of files are: the port `planar.files.storage.base.Storage`, its adapters, and the one place that chooses among them."""
