"""Proofs: scripts that anyone can run, each of one promise. `python -m tools.proofs --list` names them."""
