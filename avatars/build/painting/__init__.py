"""The network that paints a person's own mouth: what it learns from, its training, its trial on what it never saw."""
