# Routes from JSON, for jq.

# Ends with the exit status for a login that does not exist.
def not_found: "" | halt_error(1);

# Prints {key, value} as lines of a route.  A list becomes one line per element for keywords that may
# be repeated, and otherwise one line of words; null is left out.  A value that would be read back
# differently is an error.
def route_line:
	.key as $key
	| if $key | test("\\A[A-Za-z]+\\z") then . else error("\($key | tojson) is not a keyword of a route") end
	| .value
	| if type == "object" or (type == "array" and any(.[]; type == "object" or type == "array")) then
		error("\($key) is neither a value nor a list of them")
	  else . end
	| if type == "array" then
		map(values)
		| if $key | ascii_downcase | . == "authorizedkey" or . == "setenv" then .[]
		else map(tostring) | join(" ") end
	  elif type == "boolean" then if . then "yes" else "no" end
	  elif type == "null" then empty
	  else . end
	| tostring
	| if test("[\\x00-\\x1f\\x7f]|(^|[ \\t]);") then error("\($key) has a value that is not one line")
	  else "\($key) = \(.)" end;

# Prints the route in a list that holds one object; an empty list is a login that does not exist.
def route_of_one:
	if length == 0 then not_found
	elif length > 1 then error("\(length) answers for one login")
	elif .[0] | type != "object" then error("the answer is not an object")
	else .[0] | to_entries[] | route_line end;
