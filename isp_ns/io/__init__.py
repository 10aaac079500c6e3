"""Files in and out: RAW, DNG, images, profiles."""
