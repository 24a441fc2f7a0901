"""A web server that gives the models of a hub folder to `hub.load`, and their cards to browsers."""
