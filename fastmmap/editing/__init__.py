"""Edits of files, which have the old content or the new, never a mix."""
