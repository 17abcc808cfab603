"""Gestures from a creator's further clips: taken in the studio and over the API, made by the builder."""
