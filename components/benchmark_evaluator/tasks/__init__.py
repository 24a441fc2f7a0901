"""The five tasks: which rows each needs of the videos, and what it makes of them."""
