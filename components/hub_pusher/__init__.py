"""The HubPusher: blessed models to a hub folder, each with its archive, and to Kaggle."""
