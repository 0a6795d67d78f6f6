--- The path of the C library that the user has chosen; "" for ours.
return os.getenv "TIDEGATE_LIBRARY" or ""
