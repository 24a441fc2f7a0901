"""Evaluation by retrieval: text finds video and video finds text on clips never trained on."""
