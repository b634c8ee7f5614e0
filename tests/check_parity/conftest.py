from _recordings import recordings as recordings
