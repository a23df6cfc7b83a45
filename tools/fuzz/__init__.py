"""Fuzz targets: cases made at random, or by what they cover, against `bytes`, `re` and the reference.

python -m tools.fuzz --seconds 60                 all targets, which share the time
python -m tools.fuzz search --seconds 3600        one, for an hour
python -m tools.fuzz search --again FILE          a case that was found, once more
"""
