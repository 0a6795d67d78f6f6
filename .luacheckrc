std = "luajit"
exclude_files = { "build" }
max_line_length = 100
files["spec/**/*_spec.lua"] = { std = "+busted" }
-- A policy file runs in a world of its own.
files["examples"] = {
  read_globals = {
    "policy", "allow", "deny", "rewrite", "balance", "observe", "file", "set", "services", "on", "every", "after",
  },
}
