"""A sample of the voice in an avatar's video, kept only with consent."""
