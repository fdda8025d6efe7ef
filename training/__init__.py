"""How the small checkpoint in the box was made: `prepare`, `train`, `export`, `evaluate`, in this order."""
