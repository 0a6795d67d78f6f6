-- docs/completions.lua SHELL - print the completions of the command for bash, zsh or fish, from its
-- option parser.

local parser = require("tidegate.command").parser()

io.write(parser["get_" .. arg[1] .. "_complete"](parser))
