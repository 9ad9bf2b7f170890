# Routes out of JSON.

# Nobody has this login.
def not_found: "" | halt_error(1);

# {key, value} as lines of a route.  A list is one line each for keys that may stand several times,
# else one line of words; null is left out.  What would not be read back as it is, is an error.
def route_line:
	.key as $key
	| if $key | test("\\A[A-Za-z]+\\z") then . else error("\($key | tojson) is no key of a route") end
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

# An object, or nothing, in a list.
def route_of_one:
	if length == 0 then not_found
	elif length > 1 then error("\(length) answers for one login")
	elif .[0] | type != "object" then error("the answer is not an object")
	else .[0] | to_entries[] | route_line end;
