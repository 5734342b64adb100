"""What surrounds the models: formats, reference, corpus, trainer."""
