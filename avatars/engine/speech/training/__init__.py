"""How the network of the audio driver is made: a corpus of synthetic speech, training, and scores.

Nothing of this is needed to run Parlo. `python -m avatars.engine.speech.training --help` says how it is used.
"""
