"""Films in and out, frame by frame, over PyAV, which is asked for when a film is."""
