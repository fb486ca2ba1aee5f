"""The commands `msft` and `invert`: parse, one library call, print."""
