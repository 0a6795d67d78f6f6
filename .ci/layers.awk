# Which folder of core/ and bpf/ may include which, and how files there are named.  Give it every
# .c and .h file of core/, bpf/, bench/ and spec/c/.  It prints a line for each fault, and nothing
# if there is none.

function may(user, folders) {
	uses[user] = " " user " " folders " "
}

function fault(line, text) {
	printf "%s:%d: %s\n", FILENAME, line, text
	bad = 1
}

# The folder that a path lies in, without the "core/" or "bpf/" before it; "" if there is none.
function folder(path) {
	sub(/^(core|bpf)\//, "", path)
	return sub(/\/.*/, "", path) ? path : ""
}

function check_include(path, line,    own, other) {
	if (path ~ /\.\.\//) {
		fault(line, "includes " path ": write the path from core/ or from the root of the repository")
		return
	}
	own = folder(FILENAME)
	if (!(own in uses))
		return
	other = folder(path)
	if (other == "") {
		if (path !~ /^(tidegate|tidegate_private)\.h$/ && path !~ /\.skel\.h$/)
			fault(line, "includes " path ": write the path from the root, such as " \
				(FILENAME ~ /^bpf/ ? "bpf/" : "") own "/" path)
		return
	}
	if (!index(uses[own], " " other " "))
		fault(line, "includes " path ": " own "/ may not use " other "/; move what it needs down to" \
			" a folder that .ci/layers.awk lets it use, or move this code up")
}

function check_name(    name) {
	name = FILENAME
	sub(/.*\//, "", name)
	if (name in first)
		fault(1, "has the name of " first[name] ": rename one, because a name is unique in core/ and bpf/")
	else
		first[name] = FILENAME
}

# The guard of a header is its path: TG_TABLE_SET_H in core/table/set.h.
function check_guard(name,    expected) {
	expected = FILENAME
	sub(/^core\//, "", expected)
	gsub(/[^A-Za-z0-9]/, "_", expected)
	expected = "TG_" toupper(expected)
	if (name == "")
		fault(FNR, "has no include guard: call it " expected)
	else if (name != expected)
		fault(FNR, "the include guard is " name ": call it " expected)
	guarded = 1
}

# A folder may use itself and these.  "bpf/layout/x.h" is of the folder "layout".
BEGIN {
	may("layout", "")
	may("engine", "layout")
	may("hook", "layout engine")
	may("base", "layout")
	may("system", "layout engine base")
	may("parse", "layout engine base system")
	may("policy", "layout engine base system parse")
	may("table", "layout engine base parse")
	may("image", "layout engine base parse table")
	may("dump", "layout engine base parse table image")
	may("compile", "layout engine base system parse policy table image")
	may("simulate", "layout engine base parse table image")
	may("lint", "layout engine base parse table image simulate")
	may("gate", "layout engine base system parse table image simulate")
}

FNR == 1 {
	if (FILENAME ~ /^(core|bpf)\//)
		check_name()
	guarded = FILENAME !~ /^(core|bpf)\/[^\/]+\/[^\/]+\.h$/
}

!guarded && /^#ifndef / { check_guard($2) }

!guarded && /^#/ { check_guard("") }

match($0, /^[ \t]*#[ \t]*include[ \t]*"[^"]+"/) {
	path = substr($0, RSTART, RLENGTH - 1)
	sub(/.*"/, "", path)
	check_include(path, FNR)
}

END { exit bad }
