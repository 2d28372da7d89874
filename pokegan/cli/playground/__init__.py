"""The playground: trained networks to play with, on a page of this machine."""
