"""FeatureExtractor: from videos, or folders of features, to one feature record for each video."""
