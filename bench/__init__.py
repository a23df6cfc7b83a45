"""The instrument that every claim about speed is measured with: `python -m bench`."""
