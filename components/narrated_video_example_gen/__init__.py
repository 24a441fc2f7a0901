"""NarratedVideoExampleGen: from videos and subtitles to clip and caption records."""
