"""What development needs around the pack: a ComfyUI to run it in, a client to talk to it, the demo."""
