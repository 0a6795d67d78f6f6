std = "luajit"
exclude_files = { "build" }
max_line_length = 100
files["spec/**/*_spec.lua"] = { std = "+busted" }
-- A policy file has its own global variables.
files["examples"] = {
  read_globals = {
    "policy", "allow", "deny", "rewrite", "balance", "observe", "file", "set", "services", "on", "every", "after",
  },
}
