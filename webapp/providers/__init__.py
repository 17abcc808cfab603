"""Which ears, minds and voices are chosen: by the settings, by an admin for all, by a creator for one avatar."""
